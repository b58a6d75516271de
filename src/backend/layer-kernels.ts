// The rows of the kernel table that layers are made of beside products and attention: norms, activations, rotary positions, pooling; the conventions
// are those of kernels.ts.
import { dropout, f32, type KernelSpec, optional, read, readInt, u32, units, update, write } from './kernel-spec.js'

/** The activations by their number in a kernel's `kind`. */
export const ACTIVATIONS = ['gelu', 'gelu_tanh', 'silu', 'relu', 'tanh'] as const
/** The ways of pooling by their number in a kernel's `mode`. */
export const POOLINGS = ['mean', 'cls', 'max', 'mean_sqrt_len', 'weightedmean', 'lasttoken'] as const

export const layerKernels = {
  // With a residual: sum = residual + dropout(x), mask as in `dropout`; else the input is x and `sum` is not written.
  // y = (sum − mean) · rstd · gamma [+ beta], stats (rows, 2) = (mean, rstd), rstd = 1/√(variance + epsilon), biased variance.
  layer_norm_forward: {
    tensors: {
      x: read,
      residual: optional.read,
      keys: optional.keys,
      gamma: read,
      beta: optional.read,
      sum: optional.write,
      y: write,
      stats: write,
    },
    params: { rows: u32, columns: u32, epsilon: f32, hasResidual: u32, hasBeta: u32, ...dropout },
    units: units('rows'),
  },
  // z is the normalised input (x or sum): dz = [dz +] rstd · (g − mean(g) − x̂ · mean(g · x̂)), g = dy · gamma, x̂ = (z − mean) · rstd;
  // with a branch, of which z is the sum with a residual: dbranch = dz · mask · scale, mask as in `dropout`
  layer_norm_backward: {
    tensors: {
      ...{ dy: read, z: read, stats: read, gamma: read, dz: update },
      ...{ keys: optional.keys, dbranch: optional.write },
    },
    params: { rows: u32, columns: u32, accumulate: u32, hasBranch: u32, ...dropout },
    units: units('rows'),
  },
  // dgamma += Σ_rows dy · x̂; [dbeta += Σ_rows dy]
  layer_norm_parameters: {
    tensors: { dy: read, z: read, stats: read, dgamma: update, dbeta: optional.update },
    params: { rows: u32, columns: u32, hasBeta: u32 },
    units: units('columns'),
  },
  // RMS norm; residual, keys and sum as in layer_norm_forward: y = sum · rstd · (gamma + plus), stats (rows) = rstd = 1/√(mean sum² + epsilon)
  rms_norm_forward: {
    tensors: {
      x: read,
      residual: optional.read,
      keys: optional.keys,
      gamma: read,
      sum: optional.write,
      y: write,
      stats: write,
    },
    params: { rows: u32, columns: u32, epsilon: f32, plus: f32, hasResidual: u32, ...dropout },
    units: units('rows'),
  },
  // dz = [dz +] rstd · (g − x̂ · mean(g · x̂)), g = dy · (gamma + plus), x̂ = z · rstd; dbranch as in layer_norm_backward
  rms_norm_backward: {
    tensors: {
      ...{ dy: read, z: read, stats: read, gamma: read, dz: update },
      ...{ keys: optional.keys, dbranch: optional.write },
    },
    params: { rows: u32, columns: u32, plus: f32, accumulate: u32, hasBranch: u32, ...dropout },
    units: units('rows'),
  },
  // dgamma += Σ_rows dy · x̂
  rms_norm_parameters: {
    tensors: { dy: read, z: read, stats: read, dgamma: update },
    params: { rows: u32, columns: u32 },
    units: units('columns'),
  },
  // y = act(x), kind from ACTIVATIONS: x · Φ(x) by erf or by tanh, x · σ(x), max(x, 0), tanh(x)
  activation_forward: {
    tensors: { x: read, y: write },
    params: { count: u32, kind: u32 },
    units: units('count'),
  },
  // dx = dy · act′(x); that of relu at 0 is 0
  activation_backward: {
    tensors: { x: read, dy: read, dx: write },
    params: { count: u32, kind: u32 },
    units: units('count'),
  },
  // y = act(gate) · up
  gated_activation_forward: {
    tensors: { gate: read, up: read, y: write },
    params: { count: u32, kind: u32 },
    units: units('count'),
  },
  // dgate = dy · up · act′(gate); dup = dy · act(gate)
  gated_activation_backward: {
    tensors: { gate: read, up: read, dy: read, dgate: write, dup: write },
    params: { count: u32, kind: u32 },
    units: units('count'),
  },
  // Rows of heads of headSize = 2 h channels, turned by the angles of table row (cos (h) | sin (h)) positions[row]: y_d = x_d cos_d − direction · x_{d+h} sin_d,
  // y_{d+h} = x_{d+h} cos_d + direction · x_d sin_d; direction 1 forward, −1 back
  rope: {
    tensors: { x: read, positions: readInt, table: read, y: write },
    params: { rows: u32, columns: u32, headSize: u32, direction: f32 },
    units: units('rows'),
  },
  // y = factor · x
  scale: {
    tensors: { x: read, y: write },
    params: { count: u32, factor: f32 },
    units: units('count'),
  },
  // out (sequences, columns), mode from POOLINGS, over the n rows of a sequence from position starts[s] on: Σ x / n; the sequence's first row, starts or
  // not; the greatest of each column; Σ x / √n; Σ w x / Σ w, w = 1 + position; the last row. 0 where n is 0. offsets (sequences + 1), starts (sequences).
  pool_forward: {
    tensors: { x: read, offsets: readInt, starts: optional.int, out: write },
    params: { sequences: u32, columns: u32, mode: u32, hasStarts: u32 },
    units: units('sequences'),
  },
  // dx (T, columns) = [dx +] the gradient of pool_forward; every row of every sequence is written. x is for `max` alone: of equal ones the first has it.
  pool_backward: {
    tensors: { x: optional.read, dout: read, offsets: readInt, starts: optional.int, dx: update },
    params: { sequences: u32, columns: u32, mode: u32, hasStarts: u32, accumulate: u32 },
    units: units('sequences'),
  },
  // y = x / max(‖x‖, epsilon); norms (rows) = ‖x‖
  l2_normalize_forward: {
    tensors: { x: read, y: write, norms: write },
    params: { rows: u32, columns: u32, epsilon: f32 },
    units: units('rows'),
  },
  // dx = (dy − y · (dy · y)) / ‖x‖; where ‖x‖ < epsilon: dy / epsilon
  l2_normalize_backward: {
    tensors: { y: read, norms: read, dy: read, dx: write },
    params: { rows: u32, columns: u32, epsilon: f32 },
    units: units('rows'),
  },
} as const satisfies Record<string, KernelSpec>
