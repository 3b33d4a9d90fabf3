import './page.mjs'
import { fetchEventSource } from '@microsoft/fetch-event-source'

const url = process.argv[2]

// Without onopen, onclose and onerror.
await fetchEventSource(url, {
	method: 'POST',
	body: 'Hello!',
	onmessage(event) {
		console.log(JSON.stringify(event))
	},
})
console.log('resolved')
