// out = [out +] table[index[row]], the table of 16 bits a number, over rows of whole vectors: gather_rows_half.wgsl, four
// neighbours an invocation.

struct Params {
  rows: u32,
  columns: u32,
  accumulate: u32,
  format: u32,
}

@group(0) @binding(0) var<storage, read> table: array<vec2<u32>>; // (any, columns), two numbers a word
@group(0) @binding(1) var<storage, read> index: array<i32>; // (rows)
@group(0) @binding(2) var<storage, read_write> out: array<Cell>; // (rows, columns), = or +=
@group(0) @binding(3) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  let vectors = params.columns / WIDTH;
  if (i >= params.rows * vectors) {
    return;
  }
  let value = widen_vector(table[u32(index[i / vectors]) * vectors + i % vectors]);
  if (params.accumulate == 1u) {
    out[i] += value;
  } else {
    out[i] = value;
  }
}
