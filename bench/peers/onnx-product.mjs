// The bytes of an ONNX model (protobuf, opset 13) that holds a matrix product: C = op(A) · op(B), A an input, B an input or a constant.

const varint = value => {
  const bytes = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest])
    bytes.push((rest % 128) | 128)
  }
}
const join = parts => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
const number = (field, value) => join([varint(field * 8), varint(value)])
const bytes = (field, value) => join([varint(field * 8 + 2), varint(value.length), value])
const text = (field, value) => bytes(field, new TextEncoder().encode(value))
const message = (field, ...parts) => bytes(field, join(parts))
const float = (field, value) => join([varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer)])

const FLOAT = 1
const INT64 = 7
const raw = values => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
/** TensorProto: dims 1, data_type 2, name 8, raw_data 9. */
const tensor = (name, type, dims, values) =>
  message(5, ...dims.map(n => number(1, n)), number(2, type), text(8, name), bytes(9, raw(values)))
/** ValueInfoProto: name 1, type 2 → tensor_type 1 → elem_type 1, shape 2 → dim 1 → dim_value 1. */
const value = (field, name, dims) =>
  message(
    field,
    text(1, name),
    message(2, message(1, number(1, FLOAT), message(2, ...dims.map(n => message(1, number(1, n)))))),
  )
/** NodeProto: input 1, output 2, op_type 4, attribute 5. */
const node = (type, inputs, outputs, ...attributes) =>
  message(1, ...inputs.map(name => text(1, name)), ...outputs.map(name => text(2, name)), text(4, type), ...attributes)
/** AttributeProto: name 1, f 2, i 3, type 20 (1: float, 2: int). */
const whole = (name, n) => message(5, text(1, name), number(3, n), number(20, 2))
const real = (name, x) => message(5, text(1, name), float(2, x), number(20, 1))

/**
 * One product whose result C (M, N) is the output; or, with `repeats`, that many products of which only the last row leaves the runtime, so that
 * their time is not the time of copying. They differ in alpha, so that none is taken for another. `b`: the values of a constant B, absent for an input.
 */
export function productModel({ M, N, K, transposeA, transposeB }, b, repeats) {
  const [aDims, bDims] = [transposeA ? [K, M] : [M, K], transposeB ? [N, K] : [K, N]]
  const product = (output, alpha) =>
    node('Gemm', ['a', 'b'], [output], whole('transA', transposeA), whole('transB', transposeB), real('alpha', alpha))
  const parts = [value(11, 'a', aDims), b ? tensor('b', FLOAT, bDims, b) : value(11, 'b', bDims)]
  if (!repeats) parts.push(product('c', 1), value(12, 'c', [M, N]))
  else
    for (const [name, at] of [
      ['first', M - 1],
      ['end', M],
      ['axis', 0],
    ])
      parts.push(tensor(name, INT64, [1], BigInt64Array.of(BigInt(at))))
  for (let i = 0; i < (repeats ?? 0); i++)
    parts.push(
      product(`whole${i}`, 1 + i / 1024),
      node('Slice', [`whole${i}`, 'first', 'end', 'axis'], [`c${i}`]),
      value(12, `c${i}`, [1, N]),
    )
  // ModelProto: ir_version 1, graph 7, opset_import 8 (version 2).
  return join([number(1, 8), message(7, ...parts, text(2, 'product')), message(8, text(1, ''), number(2, 13))])
}
