// Choices by weight in constant time: Walker's alias table (1977) as Vose fills it (1991), in whole numbers. With
// weights w_i of sum W, column i of n equally likely ones holds W shares, of which the first `share` are i's own and
// the others its alias's; all columns together give i exactly n·w_i shares, so nothing is rounded but the weights
// themselves, and those only where they are not whole.
import { keep, room } from './memory'
import { below, belowWide } from './random'

let outcomes: u32 = 0
let total: u64 = 0
// Addresses: (outcomes) u64 shares, (outcomes) u32 aliases, and as many u32 that are used while the table is filled.
let shares: usize = 0
let aliases: usize = 0
let unfilled: usize = 0

/** Where the weights of `count` outcomes are to be put, before `setWeights`. (count) f64 */
export function weightRoom(count: u32): usize {
  outcomes = count
  shares = keep(<usize>count << 4)
  aliases = shares + (<usize>count << 3)
  unfilled = aliases + (<usize>count << 2)
  return shares
}

@inline
function share(index: u32): u64 {
  return load<u64>(shares + (<usize>index << 3))
}

// Whole weights stay as they are, others become multiples of 2^−bits of their sum: n·W has to stay below 2^63.
function makeWhole(): void {
  let sum: f64 = 0
  let whole = true
  for (let i: u32 = 0; i < outcomes; i++) {
    const weight = load<f64>(shares + (<usize>i << 3))
    sum += weight
    whole = whole && weight == Math.floor(weight)
  }
  const scale = <f64>(<u64>1 << (30 + clz(outcomes)))
  whole = whole && sum <= scale
  total = 0
  for (let i: u32 = 0; i < outcomes; i++) {
    const at = shares + (<usize>i << 3)
    const weight = load<f64>(at)
    const rounded = <u64>nearest<f64>(whole ? weight : (weight / sum) * scale)
    store<u64>(at, rounded)
    total += rounded
  }
}

/** Fills the table from the weights in their room: finite, none negative, at least one positive. */
export function setWeights(): void {
  makeWhole()
  // Columns with less than W shares from the front, the others from the back.
  let small: u32 = 0
  let large = outcomes
  for (let i: u32 = 0; i < outcomes; i++) {
    const own = share(i) * outcomes
    store<u64>(shares + (<usize>i << 3), own)
    store<u32>(aliases + (<usize>i << 2), i)
    store<u32>(unfilled + (<usize>(own < total ? small++ : --large) << 2), i)
  }
  while (small > 0) {
    const poor = load<u32>(unfilled + (<usize>(--small) << 2))
    const rich = load<u32>(unfilled + (<usize>large << 2))
    store<u32>(aliases + (<usize>poor << 2), rich)
    const left = share(rich) - (total - share(poor))
    store<u64>(shares + (<usize>rich << 3), left)
    if (left < total) {
      large++
      store<u32>(unfilled + (<usize>(small++) << 2), rich)
    }
  }
}

/** `count` outcomes, each drawn on its own. (count) f64 */
export function drawWeighted(count: u32): usize {
  const result = room(<usize>count << 3)
  for (let i: u32 = 0; i < count; i++) {
    const column = below(outcomes)
    const own = belowWide(total) < share(column)
    store<f64>(result + (<usize>i << 3), own ? column : load<u32>(aliases + (<usize>column << 2)))
  }
  return result
}
