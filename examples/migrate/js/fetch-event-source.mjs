import './page.mjs'
import { fetchEventSource } from '@microsoft/fetch-event-source'

const url = process.argv[2]

const controller = new AbortController()
await fetchEventSource(url, {
	method: 'POST',
	headers: { 'Content-Type': 'application/json' },
	body: JSON.stringify({ prompt: 'Hello!' }),
	signal: controller.signal,
	openWhenHidden: true,
	async onopen(response) {
		if (!response.ok) {
			throw new Error(`refused with ${response.status}`)
		}
	},
	onmessage(event) {
		if (event.data === 'stop') {
			controller.abort()
			return
		}
		console.log(event.data)
	},
	onclose() {
		console.log('closed')
	},
	onerror(err) {
		throw err // otherwise the POST is sent again
	},
})
