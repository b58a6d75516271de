// y = centroid + scale · level of each column's field, rows scaled to length 1 where `normalize`: vectors of a few bits a column on top of centroids. See
// the kernel table for the bits of a row. One workgroup a row.

struct Params {
  rows: u32,
  columns: u32,
  words: u32,
  codeBits: u32,
  normalize: u32,
}

@group(0) @binding(0) var<storage, read> tokens: array<u32>; // (rows, words)
@group(0) @binding(1) var<storage, read> centroids: array<f32>; // (·, columns)
@group(0) @binding(2) var<storage, read> scales: array<f32>; // (8)
@group(0) @binding(3) var<storage, read> curves: array<f32>; // (2, columns)
@group(0) @binding(4) var<storage, read> fields: array<i32>; // (columns): first bit, and from bit 16 on how many
@group(0) @binding(5) var<storage, read_write> y: array<f32>; // (rows, columns), =
@group(0) @binding(6) var<uniform> params: Params;

// Bits first … first + bits − 1 of a row, bits < 32; perhaps of two words.
fn field_at(row: u32, first: u32, bits: u32) -> u32 {
  let word = row * params.words + first / 32u;
  let shift = first % 32u;
  var value = tokens[word] >> shift;
  if (shift + bits > 32u) {
    value |= tokens[word + 1u] << (32u - shift);
  }
  return value & ((1u << bits) - 1u);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.rows) {
    return;
  }
  let centroid = field_at(row, 0u, params.codeBits) * params.columns;
  let scale = scales[field_at(row, params.codeBits, 3u)];
  var partial = 0.0;
  for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
    let field = u32(fields[c]);
    let bits = field >> 16u;
    let x = f32(field_at(row, field & 0xffffu, bits)) - 0.5 * f32((1u << bits) - 1u);
    let level = x * (curves[c] + curves[params.columns + c] * x * x);
    let value = centroids[centroid + c] + scale * level;
    y[row * params.columns + c] = value;
    partial += value * value;
  }
  let length = sqrt(workgroup_sum(local, partial));
  if (params.normalize == 1u) {
    let factor = select(0.0, 1.0 / length, length > 0.0);
    for (var c = local; c < params.columns; c += WORKGROUP_SIZE) {
      y[row * params.columns + c] *= factor;
    }
  }
}
