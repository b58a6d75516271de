// What a product does with an element of c, v = [c +] alpha · op(a) · op(b) [+ bias], once it is whole and written (EPILOGUES of the kernel table).
// A kernel declares params, with0, with1, c and beside, in cells of scalar.wgsl or vector.wgsl.

const ACTIVATION = 0u; // c = act(v); beside = v
const GATE = 1u; // c = act(with0) · v; beside = v
const SLOPE = 2u; // c = v · act'(with0)
const GATED_SLOPE = 3u; // c = v · act(with0); beside = v · with1 · act'(with0)
const LOW_RANK = 4u; // c = v + factor · with0 · with1ᵀ
const RESIDUAL = 5u; // c = v + with0

fn finish(m: u32, n: u32) {
  let at = (m * params.N + n) / WIDTH;
  let v = c[at];
  switch params.epilogue {
    case ACTIVATION, GATE: {
      if (params.has_beside == 1u) {
        beside[at] = v;
      }
      if (params.epilogue == GATE) {
        c[at] = activations(params.kind, with0[at]) * v;
      } else {
        c[at] = activations(params.kind, v);
      }
    }
    case SLOPE: {
      c[at] = v * activation_slopes(params.kind, with0[at]);
    }
    case GATED_SLOPE: {
      let gate = with0[at];
      beside[at] = v * with1[at] * activation_slopes(params.kind, gate);
      c[at] = v * activations(params.kind, gate);
    }
    case RESIDUAL: {
      c[at] = v + with0[at];
    }
    default: {
      c[at] = v + params.factor * low_rank(m, n);
    }
  }
}
