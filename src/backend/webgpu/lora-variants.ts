// The variants of the kernels of low-rank updates: see variants.ts.
import type { Params } from '../kernels.js'
import { SCRATCH_BYTES, type Variant } from './variants.js'

const at = (p: Params, name: string): number => p[name] ?? 0
const greatestRank = (p: Params): number => Math.max(at(p, 'rank0'), at(p, 'rank1'), at(p, 'rank2'))

/** 16 rows a workgroup, all ranks of them up to `RANKS`. */
const down = (RANKS: number, when?: Variant['when']): Variant => ({
  name: `lora_down_${RANKS}`,
  files: ['common/threefry', 'common/lora', 'lora_down'],
  header: { RANKS },
  ...(when && { when }),
  workgroups: p => Math.ceil(at(p, 'rows') / 16) * Math.ceil(greatestRank(p) / RANKS),
})

/** Rows from which on they are shared among workgroups, and among how many. */
const [MANY, SPLITS] = [512, 32]
const groupsOf = (p: Params): number =>
  (Math.ceil(at(p, 'columns') / 32) + Math.ceil(at(p, 'outputs') / 32)) * Math.ceil(at(p, 'rank') / 8)
const gradients = (p: Params): number => at(p, 'rank') * (at(p, 'columns') + at(p, 'outputs'))

const weights = (splits: number): Variant => ({
  name: splits > 1 ? 'lora_weights_split' : 'lora_weights',
  files: ['common/threefry', 'lora_weights'],
  header: { SPLITS: splits },
  ...(splits > 1 && {
    can: p => 4 * splits * gradients(p) <= SCRATCH_BYTES,
    when: p => at(p, 'rows') >= MANY,
    second: {
      name: 'lora_weights_sum',
      files: ['lora_weights_sum'],
      header: { SPLITS: splits },
      constants: { WORKGROUP_SIZE: 64 },
      workgroups: p => Math.ceil(gradients(p) / 64),
    },
  }),
  workgroups: p => splits * groupsOf(p),
})

export const loraVariants = {
  lora_down: [down(16, p => greatestRank(p) <= 16), down(64)],
  lora_input: [
    {
      name: 'lora_input',
      files: ['common/threefry', 'common/lora', 'lora_input'],
      constants: { WORKGROUP_SIZE: 64 },
      workgroups: p => Math.ceil((Math.ceil(at(p, 'rows') / 4) * Math.ceil(at(p, 'columns') / 2)) / 64),
    },
  ],
  lora_weights: [weights(SPLITS), weights(1)],
} as const satisfies Record<string, readonly Variant[]>
