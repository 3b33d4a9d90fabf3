import { EventSource } from 'eventsource' // a browser has it

const url = process.argv[2]

const source = new EventSource(url)
source.onopen = () => console.log('open')
source.onmessage = event => console.log(event.lastEventId, event.data)
source.addEventListener('news', event => console.log('news', event.lastEventId, event.data))
source.onerror = () => {
	if (source.readyState === EventSource.CLOSED) {
		console.log('closed') // for any of many reasons
	} else {
		console.log('reconnecting')
	}
}
