// Matrices of 8 or 4 bits a number: groups of 32 neighbours of a row as stored, rows filled up to whole groups, value = least + step · code, in f32.
// A kernel declares params and b, 4 or 8 codes a word, and `groups`, step and least as bf16, step in the lower half.

const GROUP = 32u;

// Where in the buffer element `at` of b lies.
fn stored_at(at: u32) -> u32 {
  let columns = select(params.N, params.K, params.transpose_b == 1u);
  // Where rows are whole groups the place in the matrix is that in the buffer.
  if (columns % GROUP == 0u) {
    return at;
  }
  return at / columns * ((columns + GROUP - 1u) / GROUP * GROUP) + at % columns;
}

// The word of b that holds the code at `place`.
fn word_of(place: u32) -> u32 {
  return b[place / GROUP * params.bits + place % GROUP * params.bits / 32u];
}

// (step, least) of the group of `place`.
fn scale_of(place: u32) -> vec2<f32> {
  let word = groups[place / GROUP];
  return bitcast<vec2<f32>>(vec2(word << 16u, word & 0xffff0000u));
}
