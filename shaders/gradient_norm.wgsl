// state = (norm, factor, finite, skipped): norm = unscale · √Σ partials; factor = unscale · min(1, maxNorm / (norm + 1e-6)), unscale
// where maxNorm is 0; finite = 1, or 0 where the norm is not, which also adds 1 to skipped (factor is 0 then). Pascanu et al.
// 2013. One workgroup. Not finite is read from the bits, exponent all ones: a WGSL compiler may assume that there are
// no NaNs and infinities.

struct Params {
  count: u32,
  max_norm: f32,
  unscale: f32,
}

@group(0) @binding(0) var<storage, read> partials: array<f32>; // (count)
@group(0) @binding(1) var<storage, read_write> state: array<f32>; // (4)
@group(0) @binding(2) var<uniform> params: Params;

const EXPONENT = 0x7f800000u;

fn is_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & EXPONENT) != EXPONENT;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  var broken = 0.0;
  for (var i = local; i < params.count; i += WORKGROUP_SIZE) {
    sum += partials[i];
    broken += select(1.0, 0.0, is_finite(partials[i]));
  }
  sum = workgroup_sum(local, sum);
  broken = workgroup_sum(local, broken);
  if (local != 0u) {
    return;
  }
  let norm = params.unscale * sqrt(sum);
  let finite = broken == 0.0 && is_finite(sum);
  var factor = params.unscale;
  if (!finite) {
    factor = 0.0;
  } else if (params.max_norm > 0.0) {
    factor = params.unscale * min(1.0, params.max_norm / (norm + 1e-6));
  }
  state[0] = norm;
  state[1] = factor;
  state[2] = select(0.0, 1.0, finite);
  state[3] += select(1.0, 0.0, finite);
}
