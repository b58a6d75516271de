// What a group of products is of: c_i (M, N_i) = a · b_iᵀ [+ bias_i] [+ factor_i · down_i · up_iᵀ], i < 3, as one product whose columns are those of all side
// by side; gated, act(c0) · c1 besides. Then blocks of half a tile's columns of b0 and b1 take turns, so that a workgroup has both sides of a gate.
// A kernel declares the tensors, put(product, at, value) and look(product, at) for elements of c_i in cells of scalar.wgsl or vector.wgsl, and
// low_rank(product, first, m, n), the product of row m of down from column `first` on with row n of up_i and those after it.

struct Params {
  M: u32,
  K: u32,
  N0: u32,
  N1: u32,
  N2: u32,
  b0: u32,
  b1: u32,
  b2: u32,
  format: u32,
  has_bias: u32,
  bias0: u32,
  bias1: u32,
  bias2: u32,
  rank0: u32,
  rank1: u32,
  rank2: u32,
  up0: u32,
  up1: u32,
  up2: u32,
  factor0: f32,
  factor1: f32,
  factor2: f32,
  gated: u32,
  kind: u32,
  has_beside: u32,
}

const HALF_TILE = TILE_N / 2u;

// A column of the whole is this one of one product.
struct Place {
  product: u32,
  column: u32,
}

fn place_of(n: u32) -> Place {
  if (params.gated == 1u) {
    let block = n / HALF_TILE;
    return Place(block % 2u, (block / 2u) * HALF_TILE + n % HALF_TILE);
  }
  if (n < params.N0) {
    return Place(0u, n);
  }
  if (n < params.N0 + params.N1) {
    return Place(1u, n - params.N0);
  }
  return Place(2u, n - params.N0 - params.N1);
}

fn of_product(product: u32, values: vec3<u32>) -> u32 {
  return select(select(values.z, values.y, product == 1u), values.x, product == 0u);
}

fn width_of(product: u32) -> u32 {
  return of_product(product, vec3(params.N0, params.N1, params.N2));
}

fn rank_of(product: u32) -> u32 {
  return of_product(product, vec3(params.rank0, params.rank1, params.rank2));
}

fn factor_of(product: u32) -> f32 {
  return select(select(params.factor2, params.factor1, product == 1u), params.factor0, product == 0u);
}

fn turned_a() -> bool {
  return false;
}

fn turned_b() -> bool {
  return true;
}

fn columns() -> u32 {
  if (params.gated == 1u) {
    return (params.N0 + HALF_TILE - 1u) / HALF_TILE * TILE_N;
  }
  return params.N0 + params.N1 + params.N2;
}

fn has_column(n: u32) -> bool {
  return n < columns() && (params.gated == 0u || place_of(n).column < params.N0);
}

fn terms() -> u32 {
  return params.K;
}

fn row_b(n: u32) -> u32 {
  let place = place_of(n);
  return of_product(place.product, vec3(params.b0, params.b1, params.b2)) + place.column * params.K;
}

fn bias_of(place: Place) -> u32 {
  return of_product(place.product, vec3(params.bias0, params.bias1, params.bias2)) + place.column;
}

// Which of c0, c1 and c2 holds a product's sums: up's lie where the gated result will be, unless they are kept.
fn target_of(product: u32) -> u32 {
  return select(product, 2u, params.gated == 1u && product == 1u && params.has_beside == 0u);
}

// The sums and their low-rank update.
fn updated(product: u32, m: u32, n: u32, at: u32) -> Cell {
  let v = look(target_of(product), at);
  if (rank_of(product) == 0u) {
    return v;
  }
  let first = of_product(product, vec3(0u, params.rank0, params.rank0 + params.rank1));
  return v + factor_of(product) * low_rank(product, first, m, n);
}

// What is left to do once a tile's sums are written: see epilogue.wgsl for why they are read back.
fn finish_tile(tile: u32, local: u32) {
  if (params.gated == 0u && params.rank0 + params.rank1 + params.rank2 == 0u) {
    return;
  }
  storageBarrier();
  let tiles_n = (columns() + TILE_N - 1u) / TILE_N;
  let first_m = (tile / tiles_n) * TILE_M;
  let first_n = (tile % tiles_n) * TILE_N;
  // Of a gated group the first half of the tile says all.
  let row = select(TILE_N, HALF_TILE, params.gated == 1u) / WIDTH;
  for (var e = local; e < TILE_M * row; e += LANES) {
    let m = first_m + e / row;
    let n = first_n + WIDTH * (e % row);
    if (m < params.M && has_column(n)) {
      finish(m, place_of(n));
    }
  }
}

fn finish(m: u32, place: Place) {
  let at = (m * width_of(place.product) + place.column) / WIDTH;
  if (params.gated == 0u) {
    if (rank_of(place.product) > 0u) {
      put(place.product, at, updated(place.product, m, place.column, at));
    }
    return;
  }
  let gate = updated(0u, m, place.column, at);
  let up = updated(1u, m, place.column, at);
  if (params.rank0 > 0u) {
    put(0u, at, gate);
  }
  if (params.has_beside == 1u && params.rank1 > 0u) {
    put(1u, at, up);
  }
  put(2u, at, activations(params.kind, gate) * up);
}
