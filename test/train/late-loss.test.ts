// A step of late interaction where tokens of documents are skipped: left out of the maxima, or zero vectors among them; the loss of a step against f64.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { frozenTensor, stateTensor } from '../../src/tensor/parameters.js'
import { createPlan } from '../../src/tensor/plan.js'
import { createPool, createProgram } from '../../src/tensor/program.js'
import { createTrace } from '../../src/tensor/trace.js'
import { candidatesOf } from '../../src/train/contrastive.js'
import { lossShape } from '../../src/train/contrastive-loss.js'
import { type LateSettings, lateInputs, lateValues, recordLateLoss } from '../../src/train/late-loss.js'

const WIDTH = 4
/** Rows of length 1, by a fixed rule. */
function rows(count: number, seed: number): Float32Array {
  const values = Float32Array.from({ length: count * WIDTH }, (_, i) => Math.sin(seed + 2.3 * i + ((i * i) % 7)))
  for (let at = 0; at < values.length; at += WIDTH) {
    const row = values.subarray(at, at + WIDTH)
    const length = Math.hypot(...row)
    row.set(row.map(x => x / length))
  }
  return values
}

const ends = { query: Int32Array.of(0, 3, 5), passage: Int32Array.of(0, 4, 7) }
// The last token of the first document and all of the second but one are skipped.
const keep = Uint8Array.of(1, 1, 1, 0, 0, 0, 1)
const [q, p] = [rows(5, 1), rows(7, 9)]

/** Mean cross entropy over scores Σ_q max_d sim, in f64. */
function expected({ similarity, zeroSkipped }: LateSettings): number {
  const score = (i: number, j: number): number => {
    let sum = 0
    for (let t = ends.query[i]!; t < ends.query[i + 1]!; t++) {
      let most = Number.NEGATIVE_INFINITY
      for (let d = ends.passage[j]!; d < ends.passage[j + 1]!; d++) {
        if (!keep[d] && !zeroSkipped) continue
        let value = 0
        for (let c = 0; c < WIDTH; c++) {
          const [x, y] = [q[t * WIDTH + c]!, keep[d] ? p[d * WIDTH + c]! : 0]
          value += similarity === 'l2' ? -((x - y) ** 2) : x * y
        }
        most = Math.max(most, value)
      }
      sum += most
    }
    return sum
  }
  const losses = [0, 1].map(i => {
    const scores = [score(i, 0), score(i, 1)]
    return Math.log(scores.reduce((sum, s) => sum + Math.exp(s), 0)) - scores[i]!
  })
  return (losses[0]! + losses[1]!) / 2
}

test('skipped tokens are in no maximum, or are zero vectors in it', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const found: number[] = []
  for (const similarity of ['dot', 'l2'] as const)
    for (const zeroSkipped of [false, true]) {
      const late = { similarity, zeroSkipped }
      const batch = {
        query: { ids: new Int32Array(5), offsets: ends.query },
        passage: { ids: new Int32Array(7), offsets: ends.passage, keep },
        ...candidatesOf(2, 1, true),
      }
      const loss = stateTensor(backend, 'loss', [1])
      const trace = createTrace({ training: false })
      const side = (name: string, values: Float32Array, rows: string) => ({
        ...frozenTensor(backend, name, [values.length / WIDTH, WIDTH], values),
        shape: [rows, WIDTH],
      })
      recordLateLoss(trace, side('q', q, 'TQ'), side('p', p, 'TP'), { late, temperature: 1 }, loss)
      const program = createProgram(createPlan('loss', trace), createPool(backend))
      await program.run(
        { ...lossShape(batch).values, ...lateValues(batch), addsToLoss: 0 },
        { ...lateInputs(batch, late), 'weights.0': batch.weights, targets: batch.targets },
      )
      const { view } = loss
      const [value] = new Float32Array(await backend.read({ memory: view!.memory, offset: 0, bytes: 4 }))
      assert.ok(Math.abs(value! - expected(late)) < 1e-5, `${similarity} ${zeroSkipped}: ${value}, ${expected(late)}`)
      found.push(value!)
    }
  assert.ok(Math.abs(found[0]! - found[1]!) > 1e-3 && Math.abs(found[2]! - found[3]!) > 1e-3, `${found}`)
  backend.close()
})

test.run()
