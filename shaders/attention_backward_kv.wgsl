// The gradients of attention_forward for keys and values: dv_j = Σ_i mask_ij · scale · p_ij · dout_i; dk_j = softmaxScale · Σ_i ds_ij q_i, ds and p as in
// attention_backward_q; zero for rows ≥ key end. Tiles are key rows: an invocation holds one; queries and output gradients pass
// through workgroup memory in blocks.

@group(0) @binding(0) var<storage, read> q: array<f32>; // (T, heads · headSize)
@group(0) @binding(1) var<storage, read> k: array<f32>; // (T, heads · headSize)
@group(0) @binding(2) var<storage, read> v: array<f32>; // (T, heads · headSize)
@group(0) @binding(3) var<storage, read> dout: array<f32>; // (T, heads · headSize)
@group(0) @binding(4) var<storage, read> stats: array<f32>; // (T, heads, 2) = (lse, delta)
@group(0) @binding(5) var<storage, read> tiles: array<i32>; // (tiles, TILE_STRIDE)
@group(0) @binding(6) var<storage, read_write> dk: array<f32>; // (T, heads · headSize), =
@group(0) @binding(7) var<storage, read_write> dv: array<f32>; // (T, heads · headSize), =
@group(0) @binding(8) var<uniform> params: Params;

var<workgroup> q_block: array<vec4<f32>, BLOCK * VECTORS>; // times softmaxScale
var<workgroup> dout_block: array<vec4<f32>, BLOCK * VECTORS>;

fn load_block(first: u32, last: u32, head: u32, local: u32) {
  for (var e = local; e < BLOCK * VECTORS; e += WORKGROUP_SIZE) {
    let row = first + e / VECTORS;
    let channel = 4u * (e % VECTORS);
    var query = vec4(0.0);
    var gradient = vec4(0.0);
    if (row < last) {
      let at = (row * params.heads + head) * params.head_size + channel;
      for (var c = 0u; c < 4u && channel + c < params.head_size; c++) {
        query[c] = q[at + c] * params.softmax_scale;
        gradient[c] = dout[at + c];
      }
    }
    q_block[e] = query;
    dout_block[e] = gradient;
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let unit = group.y * groups.x + group.x;
  if (unit >= params.tiles * params.heads) {
    return;
  }
  let head = unit % params.heads;
  let tile = tile_at(unit / params.heads);
  for (var first_row = tile.first; first_row < tile.last; first_row += WORKGROUP_SIZE) {
    let row = first_row + local;
    let at = (row * params.heads + head) * params.head_size;
    let j = row - tile.begin;
    var key: array<vec4<f32>, VECTORS>;
    var value: array<vec4<f32>, VECTORS>;
    var dkey: array<vec4<f32>, VECTORS>;
    var dvalue: array<vec4<f32>, VECTORS>;
    let own = row < tile.key_end && row < tile.last;
    if (own) {
      for (var d = 0u; d < params.head_size; d++) {
        key[d / 4u][d % 4u] = k[at + d];
        value[d / 4u][d % 4u] = v[at + d];
      }
    }
    for (var first = tile.begin; first < tile.end; first += BLOCK) {
      workgroupBarrier();
      load_block(first, tile.end, head, local);
      workgroupBarrier();
      for (var i = 0u; own && i < min(BLOCK, tile.end - first); i++) {
        var score = 0.0;
        var dp = 0.0;
        for (var d = 0u; d < VECTORS; d++) {
          score += dot(q_block[i * VECTORS + d], key[d]);
          dp += dot(dout_block[i * VECTORS + d], value[d]);
        }
        let lse_delta = 2u * ((first + i) * params.heads + head);
        let p = exp(score - stats[lse_delta]);
        let mask = probability_mask(tile.sequence_key, first + i - tile.begin, head, j / 2u)[j % 2u];
        let ds = p * (mask * dp - stats[lse_delta + 1u]);
        for (var d = 0u; d < VECTORS; d++) {
          dvalue[d] += mask * p * dout_block[i * VECTORS + d];
          dkey[d] += ds * q_block[i * VECTORS + d];
        }
      }
    }
    if (row < tile.last) {
      for (var d = 0u; d < params.head_size; d++) {
        dk[at + d] = dkey[d / 4u][d % 4u];
        dv[at + d] = dvalue[d / 4u][d % 4u];
      }
    }
  }
}
