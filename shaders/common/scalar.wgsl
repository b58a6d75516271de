// What kernels that only stream memory are written in: cells, here single elements.

alias Cell = f32;
const WIDTH = 1u; // elements of a cell

fn cell_sum(x: Cell) -> f32 {
  return x;
}

// Element d of four neighbours.
fn cell_of(values: vec4<f32>, d: u32) -> Cell {
  return values[d];
}
