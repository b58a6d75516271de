// Memory after the constants: what lives as long as the instance (the alias table) first, then the last result,
// overwritten by the next call.

let results: usize = __heap_base

/** A multiple of 16. */
function reserve(address: usize, bytes: usize): usize {
  const begin = (address + 15) & ~15
  const needed = <i32>((begin + bytes + 0xffff) >> 16)
  const pages = memory.size()
  if (needed > pages && memory.grow(needed - pages) < 0) unreachable()
  return begin
}

/** Room for the next result; what the last one held is gone. */
export function room(bytes: usize): usize {
  return reserve(results, bytes)
}

/** The same for what later results leave alone, in place of what was kept before. */
export function keep(bytes: usize): usize {
  const begin = reserve(__heap_base, bytes)
  results = begin + bytes
  return begin
}
