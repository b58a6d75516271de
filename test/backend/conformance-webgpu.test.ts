import { test } from 'uvu'
import { commonKernelNames } from '../../src/backend/kernels.js'
import { webgpuBackend } from '../support/adapter.js'
import { conformance } from './conformance.js'

const backend = await webgpuBackend()
if (backend) conformance(backend, 1e-5)
else for (const kernel of commonKernelNames) test.skip(`${kernel}: no WebGPU adapter here`)

test.run()
