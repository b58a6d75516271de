// The second half of lora_weights where the rows were split: dA and dB += Σ of SPLITS partial sums. One element an invocation.

struct Params {
  rows: u32,
  columns: u32,
  outputs: u32,
  rank: u32,
  down_columns: u32,
  down_first: u32,
  alpha: f32,
  threshold: u32,
  scale: f32,
  key0: u32,
  key1: u32,
}

@group(0) @binding(5) var<storage, read_write> dA: array<f32>; // (rank, columns), +=
@group(0) @binding(6) var<storage, read_write> dB: array<f32>; // (outputs, rank), +=
@group(0) @binding(7) var<uniform> params: Params;
@group(0) @binding(8) var<storage, read_write> partials: array<f32>; // (SPLITS, rank · columns + outputs · rank)

override WORKGROUP_SIZE: u32 = 64;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  let of_a = params.rank * params.columns;
  let count = of_a + params.rank * params.outputs;
  if (i >= count) {
    return;
  }
  var sum = 0.0;
  for (var part = 0u; part < SPLITS; part++) {
    sum += partials[part * count + i];
  }
  if (i < of_a) {
    dA[i] += sum;
  } else {
    dB[i - of_a] += sum;
  }
}
