// The small products of attention by matrix units, see attention.wgsl and subgroup_matrix.wgsl: factors narrowed to f16, 32 channels of them at a time.
// Two subgroups take 16 own rows each. What is rescaled, masked or stored has elements: it stays with the invocations in f32, and products come to
// them through workgroup memory.

const DEPTH = 32u;
const HALF_STRIDE = DEPTH + 8u;
const OTHER = ROWS * HALF_STRIDE; // where the other factor begins
const RESULT_STRIDE = ROWS + 4u;

var<workgroup> halves: array<f16, 2u * ROWS * HALF_STRIDE>; // own rows, or weights (own rows, other rows); other rows
var<workgroup> results: array<f32, ROWS * RESULT_STRIDE>; // (own rows, other rows or channels)

// Channels first_d … of 32 rows of a tensor.
fn stage(place: Place, begin: u32, tensor: u32, first: u32, last: u32, first_d: u32) {
  for (var e = place.local; e < bound(ROWS * DEPTH / 4u); e += LANES) {
    let row = e / (DEPTH / 4u);
    let d = 4u * (e % (DEPTH / 4u));
    for (var i = 0u; i < bound(4u); i++) {
      halves[begin + row * HALF_STRIDE + d + i] = f16(channel(tensor, first + row, last, place, first_d + d + i));
    }
  }
}

// The scalar products of 32 own rows of tensor a with 32 other rows of tensor b.
fn products(place: Place, a: u32, own_first: u32, own_last: u32, b: u32, other_first: u32, other_last: u32) -> Scores {
  begin_subgroup(place.local);
  let wave = place.local / 32u;
  var sums = array<Sums16, 2>();
  for (var first = 0u; first < params.head_size; first += DEPTH) {
    workgroupBarrier();
    stage(place, 0u, a, own_first, own_last, first);
    stage(place, OTHER, b, other_first, other_last, first);
    workgroupBarrier();
    for (var k = 0u; k < rolled(DEPTH); k += 16u) {
      let left = load_left(16u * wave * HALF_STRIDE + k, HALF_STRIDE, false);
      for (var j = 0u; j < rolled(2u); j++) {
        sums[j] = multiply_add(left, load_right(OTHER + 16u * j * HALF_STRIDE + k, HALF_STRIDE, true), sums[j]);
      }
    }
  }
  for (var j = 0u; j < rolled(2u); j++) {
    store_sums(sums[j], 16u * (wave * RESULT_STRIDE + j), RESULT_STRIDE);
  }
  workgroupBarrier();
  var scores: Scores;
  for (var j = 0u; j < 4u; j++) {
    for (var i = 0u; i < 4u; i++) {
      scores[j][i] = results[(4u * place.own + i) * RESULT_STRIDE + 4u * place.other + j];
    }
  }
  return scores;
}

// sums += weights (own rows, other rows) · the other rows of tensor b.
fn accumulate(place: Place, sums: ptr<function, Sums>, b: u32, other_first: u32, other_last: u32) {
  let wave = place.local / 32u;
  for (var v = 0u; v < rolled(VECTORS); v++) {
    workgroupBarrier();
    stage(place, OTHER, b, other_first, other_last, DEPTH * v);
    workgroupBarrier();
    // Said, for a driver was seen to keep the last round's.
    var block = array<Sums16, 2>();
    for (var k = 0u; k < rolled(ROWS); k += 16u) {
      let left = load_left(16u * wave * HALF_STRIDE + k, HALF_STRIDE, false);
      for (var j = 0u; j < rolled(2u); j++) {
        block[j] = multiply_add(left, load_right(OTHER + k * HALF_STRIDE + 16u * j, HALF_STRIDE, false), block[j]);
      }
    }
    for (var j = 0u; j < rolled(2u); j++) {
      store_sums(block[j], 16u * (wave * RESULT_STRIDE + j), RESULT_STRIDE);
    }
    workgroupBarrier();
    for (var i = 0u; i < bound(4u); i++) {
      let at = (4u * place.own + i) * RESULT_STRIDE + 4u * place.other;
      (*sums)[4u * v + i] += vec4(results[at], results[at + 1u], results[at + 2u], results[at + 3u]);
    }
  }
  workgroupBarrier();
}

fn put_weights(place: Place, scores: Scores) {
  for (var j = 0u; j < 4u; j++) {
    weights[(4u * place.other + j) * STRIDE + place.own] = scores[j];
    for (var i = 0u; i < 4u; i++) {
      halves[(4u * place.own + i) * HALF_STRIDE + 4u * place.other + j] = f16(scores[j][i]);
    }
  }
}
