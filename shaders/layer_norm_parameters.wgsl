// dgamma += Σ_rows dy · x̂; [dbeta += Σ_rows dy]; x̂ = (z − mean) · rstd. Here are the terms; columns.wgsl and columns_split.wgsl sum
// them.

struct Params {
  rows: u32,
  columns: u32,
  has_beta: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<Cell>; // (rows, columns)
@group(0) @binding(1) var<storage, read> z: array<Cell>; // (rows, columns)
@group(0) @binding(2) var<storage, read> stats: array<f32>; // (rows, 2) = (mean, rstd)
@group(0) @binding(3) var<storage, read_write> dgamma: array<Cell>; // (columns), +=
@group(0) @binding(4) var<storage, read_write> dbeta: array<Cell>; // (columns), +=, optional
@group(0) @binding(5) var<uniform> params: Params;
@group(0) @binding(6) var<storage, read_write> partials: array<Terms>; // (SPLITS, columns), where rows are split

struct Terms {
  gamma: Cell,
  beta: Cell,
}

fn plus(a: Terms, b: Terms) -> Terms {
  return Terms(a.gamma + b.gamma, a.beta + b.beta);
}

fn terms(row: u32, column: u32) -> Terms {
  let at = row * (params.columns / WIDTH) + column;
  return Terms(dy[at] * (z[at] - stats[2u * row]) * stats[2u * row + 1u], dy[at]);
}

fn add(column: u32, sum: Terms) {
  dgamma[column] += sum.gamma;
  if (params.has_beta == 1u) {
    dbeta[column] += sum.beta;
  }
}
