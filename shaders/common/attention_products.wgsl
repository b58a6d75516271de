// The small products of attention in f32, see attention.wgsl; what they are of is staged by attention_stage_scalar.wgsl or attention_stage_vector.wgsl.

const DEPTH = 16u; // channels staged at a time for scores
const STAGED = min(8u, 1024u / CHANNELS); // other rows staged at a time for sums

var<workgroup> own_channels: array<vec4<f32>, DEPTH * STRIDE>; // (DEPTH, ROWS)
var<workgroup> other_channels: array<vec4<f32>, DEPTH * STRIDE>; // (DEPTH, ROWS)
var<workgroup> other_rows: array<vec4<f32>, STAGED * CHANNELS / 4u>; // (STAGED, CHANNELS)

// The scalar products of 32 own rows of tensor a with 32 other rows of tensor b.
fn products(place: Place, a: u32, own_first: u32, own_last: u32, b: u32, other_first: u32, other_last: u32) -> Scores {
  var sums: Scores;
  for (var first = 0u; first < params.head_size; first += DEPTH) {
    workgroupBarrier();
    stage_channels(place, a, own_first, own_last, b, other_first, other_last, first);
    workgroupBarrier();
    for (var d = 0u; d < bound(DEPTH); d++) {
      let own = own_channels[d * STRIDE + place.own];
      let other = other_channels[d * STRIDE + place.other];
      sums[0] += own * other.x;
      sums[1] += own * other.y;
      sums[2] += own * other.z;
      sums[3] += own * other.w;
    }
  }
  return sums;
}

// sums += weights (own rows, other rows) · the other rows of tensor b, which are staged a few at a time. `weights` is
// complete after the first barrier in here, and free again after the last.
fn accumulate(place: Place, sums: ptr<function, Sums>, b: u32, other_first: u32, other_last: u32) {
  for (var first = 0u; first < ROWS && other_first + first < other_last; first += STAGED) {
    workgroupBarrier();
    for (var e = place.local; e < bound(STAGED * CHANNELS / 4u); e += LANES) {
      let row = other_first + first + e / (CHANNELS / 4u);
      other_rows[e] = four_channels(b, row, other_last, place, 4u * (e % (CHANNELS / 4u)));
    }
    workgroupBarrier();
    for (var j = 0u; j < bound(STAGED); j++) {
      let weight = weights[(first + j) * STRIDE + place.own];
      for (var v = 0u; v < bound(VECTORS); v++) {
        let row = other_rows[j * CHANNELS / 4u + v * 8u + place.other];
        (*sums)[4u * v] += weight.x * row;
        (*sums)[4u * v + 1u] += weight.y * row;
        (*sums)[4u * v + 2u] += weight.z * row;
        (*sums)[4u * v + 3u] += weight.w * row;
      }
    }
  }
  workgroupBarrier();
}

fn put_weights(place: Place, scores: Scores) {
  for (var j = 0u; j < 4u; j++) {
    weights[(4u * place.other + j) * STRIDE + place.own] = scores[j];
  }
}
