// What a product is of: c (M, N) = [c +] alpha · op(a) · op(b) [+ bias]; op(a) is (M, K), stored (K, M) with transpose_a; op(b) is (K, N), stored (N, K)
// with transpose_b. A kernel declares params, a, b, bias and c.

fn turned_a() -> bool {
  return params.transpose_a == 1u;
}

fn turned_b() -> bool {
  return params.transpose_b == 1u;
}

// Of c.
fn columns() -> u32 {
  return params.N;
}

fn has_column(n: u32) -> bool {
  return n < params.N;
}

// Of each sum.
fn terms() -> u32 {
  return params.K;
}

// Where a row of b as stored begins, in elements.
fn row_b(row: u32) -> u32 {
  return row * select(params.N, params.K, turned_b());
}
