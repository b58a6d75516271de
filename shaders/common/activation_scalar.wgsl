// Activations of a cell: common/activation.wgsl over common/scalar.wgsl.

fn activations(kind: u32, x: Cell) -> Cell {
  return activation(kind, x);
}

fn activation_slopes(kind: u32, x: Cell) -> Cell {
  return activation_slope(kind, x);
}
