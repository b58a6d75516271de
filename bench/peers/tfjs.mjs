// TensorFlow.js on its WebAssembly backend as a rival for matrix products. In Node it never uses threads (its flag for them is false there), and its
// kernel is fast for operands that are not transposed: only that form is taken.
import { fileURLToPath } from 'node:url'
import * as tf from '@tensorflow/tfjs'
import * as wasm from '@tensorflow/tfjs-backend-wasm'
import { readFloats, serve, versionOf, writeFloats } from './serve.mjs'

async function open({ threads }) {
  wasm.setWasmPaths(fileURLToPath(new URL('./node_modules/@tensorflow/tfjs-backend-wasm/dist/', import.meta.url)))
  if (threads > 1) wasm.setThreadsCount(threads)
  await tf.setBackend('wasm')
  await tf.ready()
  const [threaded, simd] = [
    await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT'),
    await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'),
  ]
  const name = `tfjs-backend-wasm ${versionOf('@tensorflow/tfjs-backend-wasm')}${simd ? '' : ' (no SIMD)'}`
  return { name, threads: threaded ? wasm.getThreadsCount() : 1 }
}

function prepare({ M, N, K, transposeA, transposeB, a, b, out }) {
  if (transposeA || transposeB) throw new Error('only products of operands that are not transposed')
  tf.disposeVariables()
  const [left, right] = [tf.tensor2d(readFloats(a), [M, K]), tf.tensor2d(readFloats(b), [K, N])]
  const product = tf.matMul(left, right)
  writeFloats(out, product.dataSync())
  product.dispose()
  // The wasm backend computes when it is called.
  return { call: () => tf.matMul(left, right).dispose() }
}

await serve({ open, prepare })
