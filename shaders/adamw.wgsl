// AdamW (Loshchilov and Hutter 2019) behind a guard: nothing changes where state says that the gradient's norm is not
// finite. decoupled: θ *= 1 − rate · decay, else g += decay · θ; m = β₁ m + (1−β₁) g; v = β₂ v + (1−β₂) g²; θ −= rate ·
// (m · correction1) / (√(v · correction2) + epsilon), correction = 1/(1−βᵗ). One cell an invocation.

struct Params {
  count: u32,
  rate: f32,
  beta1: f32,
  one_minus_beta1: f32,
  beta2: f32,
  one_minus_beta2: f32,
  epsilon: f32,
  decay: f32,
  correction1: f32,
  correction2: f32,
  decoupled: u32,
}

@group(0) @binding(0) var<storage, read> gradient: array<Cell>; // (count)
@group(0) @binding(1) var<storage, read> state: array<f32>; // (norm, factor, finite, skipped), of gradient_norm
@group(0) @binding(2) var<storage, read_write> parameters: array<Cell>; // (count)
@group(0) @binding(3) var<storage, read_write> m: array<Cell>; // (count)
@group(0) @binding(4) var<storage, read_write> v: array<Cell>; // (count)
@group(0) @binding(5) var<uniform> params: Params;

override WORKGROUP_SIZE: u32 = 256;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = (group.y * groups.x + group.x) * WORKGROUP_SIZE + local;
  if (i >= params.count / WIDTH || state[2] == 0.0) {
    return;
  }
  var theta = parameters[i];
  var g = state[1] * gradient[i];
  if (params.decoupled == 1u) {
    theta *= 1.0 - params.rate * params.decay;
  } else {
    g += params.decay * theta;
  }
  let mean = params.beta1 * m[i] + params.one_minus_beta1 * g;
  let square = params.beta2 * v[i] + params.one_minus_beta2 * g * g;
  m[i] = mean;
  v[i] = square;
  parameters[i] = theta - params.rate * (mean * params.correction1) / (sqrt(square * params.correction2) + params.epsilon);
}
