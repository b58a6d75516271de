// Low-rank updates (LoRA): up to three products of one x, each with its own ranks and mask.
import { dropoutFactor } from './layers.js'
import type { Reference } from './types.js'

type Masks = Readonly<Record<'threshold' | 'scale' | 'key0' | 'key1' | 'key2' | 'key3' | 'key4' | 'key5', number>>

const factorOf = (p: Masks, product: number, key: number, channel: number): number => {
  const [key0, key1] = [
    [p.key0, p.key1],
    [p.key2, p.key3],
    [p.key4, p.key5],
  ][product] as [number, number]
  const { threshold, scale } = p
  return threshold === 0 ? scale : dropoutFactor({ threshold, scale, key0, key1 }, key, channel >> 1, channel & 1)
}

export const lora_down: Reference<'lora_down'> = ({ x, keys, a0, a1, a2, down0, down1, down2 }, p) => {
  const all = p.rank0 + p.rank1 + p.rank2
  for (const [product, a, down, rank, before] of [
    [0, a0, down0, p.rank0, 0],
    [1, a1, down1, p.rank1, p.rank0],
    [2, a2, down2, p.rank2, p.rank0 + p.rank1],
  ] as const)
    for (let row = 0; row < p.rows; row++)
      for (let r = 0; r < rank; r++) {
        let sum = 0
        for (let c = 0; c < p.columns; c++)
          sum += x[row * p.columns + c]! * factorOf(p, product, keys?.[row] ?? 0, c) * a![r * p.columns + c]!
        if (p.joined) down0[row * all + before + r] = sum
        else down![row * rank + r] = sum
      }
}

export const lora_input: Reference<'lora_input'> = ({ keys, ddown0, ddown1, ddown2, a0, a1, a2, dx }, p) => {
  for (let row = 0; row < p.rows; row++)
    for (let c = 0; c < p.columns; c++) {
      let total = p.accumulate ? dx[row * p.columns + c]! : 0
      for (const [product, a, ddown, rank] of [
        [0, a0, ddown0, p.rank0],
        [1, a1, ddown1, p.rank1],
        [2, a2, ddown2, p.rank2],
      ] as const) {
        let sum = 0
        for (let r = 0; r < rank; r++) sum += ddown![row * rank + r]! * a![r * p.columns + c]!
        if (rank > 0) total += sum * factorOf(p, product, keys?.[row] ?? 0, c)
      }
      dx[row * p.columns + c] = total
    }
}

export const lora_weights: Reference<'lora_weights'> = ({ dy, down, ddown, x, keys, dA, dB }, p) => {
  const masks = { ...p, key2: 0, key3: 0, key4: 0, key5: 0 }
  for (let row = 0; row < p.rows; row++)
    for (let r = 0; r < p.rank; r++) {
      for (let c = 0; c < p.columns; c++)
        dA[r * p.columns + c]! +=
          ddown[row * p.rank + r]! * x[row * p.columns + c]! * factorOf(masks, 0, keys?.[row] ?? 0, c)
      for (let o = 0; o < p.outputs; o++)
        dB[o * p.rank + r]! += p.alpha * dy[row * p.outputs + o]! * down[row * p.downColumns + p.downFirst + r]!
    }
}
