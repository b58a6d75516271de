// ONNX Runtime as a rival: node onnxruntime.mjs web|node. The web one is its WebAssembly build, as a page or Node would load it.
import { existsSync, readFileSync } from 'node:fs'
import { productModel } from './onnx-product.mjs'
import { readFloats, readJson, serve, versionOf, writeFloats } from './serve.mjs'

const which = process.argv[2]
const library = `onnxruntime-${which}`
const ort = await import(library)
let threads = 1

const webOptions = { executionProviders: ['wasm'], graphOptimizationLevel: 'all' }
const nodeOptions = () => ({ executionProviders: ['cpu'], intraOpNumThreads: threads, graphOptimizationLevel: 'all' })

function open(request) {
  threads = request.threads
  if (which === 'web') {
    ort.env.wasm.numThreads = threads
    ort.env.wasm.proxy = false
  }
  return { name: `${library} ${versionOf(library)}`, threads }
}

/** How many products one timed call holds. */
const REPEATS = 4

async function prepareProduct(request) {
  const { M, N, K, transposeA, transposeB, weight } = request
  const [a, b] = [readFloats(request.a), readFloats(request.b)]
  const options = which === 'web' ? webOptions : nodeOptions()
  const inputs = {
    a: new ort.Tensor('float32', a, transposeA ? [K, M] : [M, K]),
    ...(!weight && { b: new ort.Tensor('float32', b, transposeB ? [N, K] : [K, N]) }),
  }
  // A weight is a constant: the runtime packs it once, beforehand.
  const create = repeats => ort.InferenceSession.create(productModel(request, weight ? b : undefined, repeats), options)
  const once = await create(undefined)
  writeFloats(request.out, (await once.run(inputs)).c.data)
  await once.release()
  const session = await create(REPEATS)
  return { call: () => session.run(inputs), repeats: REPEATS }
}

/** A model folder's graph; its weights may lie beside it. */
async function createSession(folder) {
  const path = ['model.onnx', 'onnx/model.onnx'].map(name => `${folder}/${name}`).find(existsSync)
  if (!path) throw new Error(`${folder} has no model.onnx`)
  if (which === 'node') return ort.InferenceSession.create(path, nodeOptions())
  const bytes = name => new Uint8Array(readFileSync(name))
  const weights = `${folder}/model.safetensors`
  return ort.InferenceSession.create(bytes(path), {
    ...webOptions,
    ...(existsSync(weights) && { externalData: [{ path: 'model.safetensors', data: bytes(weights) }] }),
  })
}

const BATCH = 32

/** Batches of 32 texts of like length, padded within the batch. Pooling is not timed. */
async function prepareEncoder({ model, ids, out, pooling, normalize }) {
  const texts = readJson(ids)
  const session = await createSession(model)
  const order = texts.map((_, i) => i).sort((i, j) => texts[i].length - texts[j].length)
  const encode = async chosen => {
    const length = Math.max(...chosen.map(i => texts[i].length))
    const [input, mask, types] = [0, 1, 2].map(() => new BigInt64Array(chosen.length * length))
    chosen.forEach((i, row) => {
      texts[i].forEach((id, column) => {
        input[row * length + column] = BigInt(id)
        mask[row * length + column] = 1n
      })
    })
    const tensor = values => new ort.Tensor('int64', values, [chosen.length, length])
    const all = { input_ids: tensor(input), attention_mask: tensor(mask), token_type_ids: tensor(types) }
    const wanted = Object.fromEntries(Object.entries(all).filter(([name]) => session.inputNames.includes(name)))
    const states = (await session.run(wanted))[session.outputNames[0]]
    return { states: states.data, length, width: states.dims.at(-1) }
  }
  const batches = Array.from({ length: Math.ceil(order.length / BATCH) }, (_, i) =>
    order.slice(i * BATCH, (i + 1) * BATCH),
  )
  let vectors
  for (const chosen of batches) {
    const { states, length, width } = await encode(chosen)
    vectors ??= new Float32Array(texts.length * width)
    chosen.forEach((i, row) => {
      const text = states.subarray(row * length * width, (row * length + texts[i].length) * width)
      vectors.set(pool(text, width, pooling, normalize), i * width)
    })
  }
  writeFloats(out, vectors)
  return {
    call: async () => {
      for (const chosen of batches) await encode(chosen)
    },
  }
}

/** text: (tokens, width) → (width) */
function pool(text, width, pooling, normalize) {
  const rows = pooling === 'cls' ? 1 : text.length / width
  const sum = new Float64Array(width)
  for (let t = 0; t < rows; t++) for (let c = 0; c < width; c++) sum[c] += text[t * width + c] / rows
  const norm = normalize ? Math.sqrt(sum.reduce((total, x) => total + x * x, 0)) : 1
  return sum.map(x => x / norm)
}

await serve({
  open,
  prepare: request => (request.task === 'matmul' ? prepareProduct(request) : prepareEncoder(request)),
})
