// out (columns) += Σ over rows of x (rows, columns): a bias's gradient. Here are the terms; columns.wgsl and columns_split.wgsl sum
// them.

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Cell>; // (rows, columns)
@group(0) @binding(1) var<storage, read_write> out: array<Cell>; // (columns), +=
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read_write> partials: array<Terms>; // (SPLITS, columns), where rows are split

alias Terms = Cell;

fn plus(a: Terms, b: Terms) -> Terms {
  return a + b;
}

fn terms(row: u32, column: u32) -> Terms {
  return x[row * (params.columns / WIDTH) + column];
}

fn add(column: u32, sum: Terms) {
  out[column] += sum;
}
