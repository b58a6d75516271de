import { test } from 'uvu'
import { createWasmBackend } from '../../src/backend/wasm/backend.js'
import { conformance } from './conformance.js'

conformance(await createWasmBackend(), 2e-6)

test.run()
