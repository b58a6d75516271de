// Rows in 8 bits: scales = max |x| / 127, values = x · (127 / max) to the nearest whole number, four a word; a row takes whole blocks of four words,
// filled up with zeros. One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
}

// As bits, so that NaN and infinity are seen as what they are: magnitudes compare like their bits.
@group(0) @binding(0) var<storage, read> x: array<u32>; // (rows, columns), f32
@group(0) @binding(1) var<storage, read_write> values: array<u32>; // (rows, words), =
@group(0) @binding(2) var<storage, read_write> scales: array<f32>; // (rows), =
@group(0) @binding(3) var<uniform> params: Params;

const LANES = 64u;
const SMALLEST = 1e-30;
const INFINITY_BITS = 0x7f800000u;

var<workgroup> largest: atomic<u32>;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let start = row * params.columns;
  var most = 0u;
  for (var j = local; j < params.columns; j += LANES) {
    most = max(most, x[start + j] & 0x7fffffffu);
  }
  atomicMax(&largest, most);
  workgroupBarrier();
  let bits = atomicLoad(&largest);
  let magnitude = bitcast<f32>(bits);
  let tiny = bits < bitcast<u32>(f32(SMALLEST));
  let usable = !tiny && bits < INFINITY_BITS;
  if (local == 0u) {
    scales[row] = select(select(magnitude, magnitude / 127.0, usable), 0.0, tiny);
  }
  let words = 4u * ((params.columns + 15u) / 16u);
  let factor = 127.0 / select(1.0, magnitude, usable);
  for (var word = local; word < words; word += LANES) {
    var packed = 0u;
    for (var i = 0u; i < 4u; i++) {
      let j = 4u * word + i;
      if (usable && j < params.columns) {
        let whole = i32(round(bitcast<f32>(x[start + j]) * factor));
        packed |= (u32(whole) & 0xffu) << (8u * i);
      }
    }
    values[row * words + word] = packed;
  }
}
