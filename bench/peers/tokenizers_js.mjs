// @huggingface/tokenizers, Hugging Face's tokenizers in JavaScript, on one thread. Texts are neither padded nor cut.
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { readJson, serve, versionOf, writeFloats } from './serve.mjs'

const open = () => ({ name: `@huggingface/tokenizers ${versionOf('@huggingface/tokenizers')}`, threads: 1 })

function prepare({ model, texts: file, out }) {
  const texts = readJson(file)
  const tokenizer = new Tokenizer(
    readJson(join(model, 'tokenizer.json')),
    readJson(join(model, 'tokenizer_config.json')),
  )
  const encode = () => texts.map(text => tokenizer.encode(text).ids)
  writeFloats(out, Float32Array.from(encode().flatMap(ids => [ids.length, ...ids])))
  return { call: encode }
}

await serve({ open, prepare })
