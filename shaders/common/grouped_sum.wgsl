// What a sum of products is of: c (M, N) = [c +] Σ_i a_i · b_i, i < 3, a_i (M, K_i), b_i (K_i, N), as one product whose terms are those of all one after the
// other.

struct Params {
  M: u32,
  N: u32,
  K0: u32,
  K1: u32,
  K2: u32,
  b0: u32,
  b1: u32,
  b2: u32,
  format: u32,
  accumulate: u32,
}

fn turned_a() -> bool {
  return false;
}

fn turned_b() -> bool {
  return false;
}

fn columns() -> u32 {
  return params.N;
}

fn has_column(n: u32) -> bool {
  return n < params.N;
}

fn terms() -> u32 {
  return params.K0 + params.K1 + params.K2;
}

fn row_b(k: u32) -> u32 {
  if (k < params.K0) {
    return params.b0 + k * params.N;
  }
  if (k < params.K0 + params.K1) {
    return params.b1 + (k - params.K0) * params.N;
  }
  return params.b2 + (k - params.K0 - params.K1) * params.N;
}
