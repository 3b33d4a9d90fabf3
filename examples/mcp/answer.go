package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
)

// An answer is what the user lets the program respond to questions of the server
// (elicitation). The zero value lets the server ask nothing.
type answer struct {
	action string         // accept, decline or cancel
	fields map[string]any // those that are not the defaults
}

// Set parses the value of the flag.
func (a *answer) Set(s string) error {
	switch s {
	case "decline", "cancel":
		a.action = s
		return nil
	}
	a.action = "accept"
	if err := json.Unmarshal([]byte(s), &a.fields); err != nil || a.fields == nil {
		return errors.New("neither decline nor cancel nor a JSON object")
	}
	return nil
}

func (a *answer) String() string { return "" }

// capabilities returns what the client tells the server about itself.
func (a *answer) capabilities() map[string]any {
	if a.action == "" {
		return map[string]any{}
	}
	return map[string]any{"elicitation": map[string]any{}}
}

// respond returns the response to a request of the server.
func (a *answer) respond(m message, log func(string, ...any)) message {
	response := message{ID: m.ID}
	switch {
	case m.Method == "ping":
		response.Result = raw(struct{}{})
	case m.Method == "elicitation/create" && a.action != "":
		response.Result = raw(a.elicit(m.Params, log))
	default:
		response.Error = &rpcError{Code: methodNotFound, Message: "this client does not support " + m.Method}
	}
	return response
}

// An elicitation is the result of a request for input.
type elicitation struct {
	Action  string         `json:"action"`
	Content map[string]any `json:"content,omitempty"`
}

// elicit fills in the form of the server with the fields of the user, and the defaults for
// all others. If a required field is missing, it declines.
func (a *answer) elicit(params json.RawMessage, log func(string, ...any)) elicitation {
	var form struct {
		Mode, Message   string
		RequestedSchema struct {
			Properties map[string]struct{ Default any }
			Required   []string
		}
	}
	if err := json.Unmarshal(params, &form); err != nil {
		log("the server asks something that is not a form: %v", err)
		return elicitation{Action: "cancel"}
	}
	result := elicitation{Action: a.action}
	if form.Mode == "url" {
		result.Action = "decline"
	}
	if result.Action == "accept" {
		result.Content = make(map[string]any)
		for name, property := range form.RequestedSchema.Properties {
			if property.Default != nil {
				result.Content[name] = property.Default
			}
		}
		maps.Copy(result.Content, a.fields)
	}
	for _, name := range form.RequestedSchema.Required {
		if _, ok := result.Content[name]; !ok && result.Action == "accept" {
			log("the server requires the field %q, which -answer does not have", name)
			result = elicitation{Action: "decline"}
		}
	}
	log("the server asks: %s; %s", form.Message, describe(result))
	return result
}

func describe(e elicitation) string {
	if e.Content == nil {
		return e.Action
	}
	return fmt.Sprintf("%s with %s", e.Action, raw(e.Content))
}
