import { version as packageVersion } from '../package.json'

declare const BUILD_COMMIT: string | undefined

export const version: string = packageVersion
/** The commit that dist/ was built from; "source" where the sources run as they are. */
export const commit: string = typeof BUILD_COMMIT === 'string' ? BUILD_COMMIT : 'source'
