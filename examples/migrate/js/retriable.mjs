import './page.mjs'
import { fetchEventSource } from '@microsoft/fetch-event-source'

const url = process.argv[2]

class FatalError extends Error {}

try {
	await fetchEventSource(url, {
		method: 'POST',
		headers: { 'Content-Type': 'application/json' },
		body: JSON.stringify({ topic: 'news' }),
		async onopen(response) {
			if (response.status !== 200) {
				throw new FatalError(`refused with ${response.status}`)
			}
		},
		onmessage(event) {
			console.log(event.id, event.data)
		},
		onclose() {
			throw new Error('closed') // to reconnect
		},
		onerror(err) {
			if (err instanceof FatalError) {
				throw err // to end
			} // otherwise wait and retry
		},
	})
} catch (err) {
	console.log(err.message)
}
