// The linear layer with a low-rank update against PyTorch in f64: output and all gradients, ranks 1 to 64.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../../src/backend/backend.js'
import { mergeUpdate } from '../../src/model/peft.js'
import { linear } from '../../src/ops/linear.js'
import { createTrainable, frozenTensor, readTensor, stateTensor } from '../../src/tensor/parameters.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram } from '../../src/tensor/program.js'
import { backward, createTrace, output } from '../../src/tensor/trace.js'
import { type Arrays, largest, maxDifference, readArrays } from '../support/oracles.js'
import { backendsPresent } from '../support/present.js'
import { needs } from '../support/shared.js'

interface Case {
  readonly r: number
  readonly T: number
  readonly in: number
  readonly out: number
  readonly scale: number
}

async function run(backend: Backend, arrays: Arrays, { r, T, in: inputs, out: outputs, scale }: Case): Promise<Arrays> {
  const spec = (name: string, shape: number[]) => ({ name, shape, data: arrays[name]!, decay: true })
  const { tensors } = createTrainable(backend, [
    spec('W', [outputs, inputs]),
    spec('bias', [outputs]),
    spec('A', [r, inputs]),
    spec('B', [outputs, r]),
  ])
  const trace = createTrace({ training: true })
  const x = {
    ...frozenTensor(backend, 'x', [T, inputs], arrays.x!),
    needsGradient: true,
    gradient: stateTensor(backend, 'dx', [T, inputs]),
  }
  const update = { A: tensors.get('A')!, B: tensors.get('B')!, scale }
  const y = linear(trace, x, { weight: tensors.get('W')!, bias: tensors.get('bias')! }, update, 'y')
  output(trace, 'y', y)
  backward(trace, y, frozenTensor(backend, 'dy', [T, outputs], arrays.dy!))
  const program = createProgram(createPlan('linear', trace), createPool(backend))
  await program.run({})
  const gradient = (name: string) => readTensor(backend, tensors.get(name)!.gradient!)
  return {
    y: await program.read('y'),
    dx: await readTensor(backend, x.gradient),
    dW: await gradient('W'),
    dbias: await gradient('bias'),
    dA: await gradient('A'),
    dB: await gradient('B'),
  }
}

const folder = needs('oracles/lora')
const cases: Record<string, Case> = folder ? JSON.parse(readFileSync(`${folder}/cases.json`, 'utf8')) : {}
const backends = await backendsPresent()

for (const [name, each] of Object.entries(cases)) {
  const load = async () => {
    const all = await readArrays(`${folder}/cases.safetensors`)
    return Object.fromEntries(
      Object.entries(all)
        .filter(([key]) => key.startsWith(`${name}.`))
        .map(([key, data]) => [key.slice(name.length + 1), data]),
    )
  }
  for (const backend of backends)
    test(`${backend.kind}: low-rank update, ${name}`, async () => {
      const arrays = await load()
      const found = await run(backend, arrays, each)
      for (const [key, data] of Object.entries(found)) {
        const error = maxDifference(data, arrays[key]!) / largest(arrays[key]!)
        assert.ok(error <= 1e-5, `${key} is ${error} off`)
      }
    })
  test(`merged weights, ${name}`, async () => {
    const arrays = await load()
    const merged = mergeUpdate(arrays.W!, { A: arrays.A!, B: arrays.B!, rank: each.r, scale: each.scale })
    assert.ok(maxDifference(merged, arrays.merged!) <= 1e-5 * largest(arrays.merged!))
  })
}

for (const backend of backends)
  test(`${backend.kind}: a zero B changes nothing and stops the gradient of A`, async () => {
    const values = (count: number, step: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * step))
    const shape = { r: 2, T: 3, in: 5, out: 4, scale: 3 }
    const arrays = {
      x: values(15, 0.7),
      W: values(20, 1.3),
      bias: values(4, 2),
      A: values(10, 0.3),
      B: new Float32Array(8),
      dy: values(12, 0.9),
    }
    const found = await run(backend, arrays, shape)
    for (let t = 0; t < 3; t++)
      for (let o = 0; o < 4; o++) {
        let sum = arrays.bias[o]!
        for (let i = 0; i < 5; i++) sum += arrays.x[t * 5 + i]! * arrays.W[o * 5 + i]!
        assert.ok(Math.abs(found.y![t * 4 + o]! - sum) < 1e-6)
      }
    assert.equal(Array.from(found.dA!), new Array(10).fill(0))
    assert.ok(largest(found.dB!) > 0.1)
  })
test.run()
