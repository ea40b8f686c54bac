//go:build ignore

// Gen prepares openapi.yaml: with -serve as compact JSON to serve, without it
// for the code generator.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

func main() {
	serve := flag.Bool("serve", false, "write the contract as it is served")
	flag.Parse()
	source, err := os.ReadFile(flag.Arg(0))
	check(err)
	var spec map[string]any
	check(yaml.Unmarshal(source, &spec))

	if !*serve {
		schemas := spec["components"].(map[string]any)["schemas"].(map[string]any)
		for _, s := range schemas {
			tag(s.(map[string]any), schemas)
		}
	}
	if *serve {
		locate(spec["paths"].(map[string]any))
	}
	out, err := json.Marshal(spec)
	check(err)
	check(os.WriteFile(flag.Arg(1), append(out, '\n'), 0o644))
}

// locate says of every 201 what the server does for each whose x-location is not
// "none": where what was made can be fetched.
func locate(paths map[string]any) {
	for _, item := range paths {
		for _, op := range item.(map[string]any) {
			op, _ := op.(map[string]any)
			responses, _ := op["responses"].(map[string]any)
			made, ok := responses["201"].(map[string]any)
			if !ok || op["x-location"] == "none" {
				continue
			}
			made["headers"] = map[string]any{"Location": map[string]any{
				"description": "Where it can be fetched, by itself or in a list.", "schema": map[string]any{"type": "string"},
			}}
		}
	}
}

// tag adds to each property the validator rules that its schema states.
func tag(schema, schemas map[string]any) {
	if schema["x-patch"] == true || schema["x-raw"] == true {
		schema["x-go-type"] = "json.RawMessage"
		return
	}
	properties, _ := schema["properties"].(map[string]any)
	required := map[string]bool{}
	list, _ := schema["required"].([]any)
	for _, name := range list {
		required[name.(string)] = true
	}
	for name, p := range properties {
		property := p.(map[string]any)
		rules := rulesOf(property)
		if !required[name] && len(rules) > 0 {
			rules = append([]string{"omitempty"}, rules...)
		}
		if property["format"] == "email" {
			delete(property, "format") // the rule says it, and no type of its own is needed
		}
		if items, ok := property["items"].(map[string]any); ok {
			rules = append(rules, "dive")
			rules = append(rules, rulesOf(items)...)
		}
		if len(rules) == 0 {
			continue
		}
		if ref, ok := property["$ref"]; ok { // siblings of $ref are ignored
			property["allOf"] = []any{map[string]any{"$ref": ref}}
			delete(property, "$ref")
		}
		property["x-oapi-codegen-extra-tags"] = map[string]any{"validate": strings.Join(rules, ",")}
	}
}

func rulesOf(s map[string]any) (rules []string) {
	add := func(key, rule string) {
		if v, ok := s[key]; ok {
			rules = append(rules, fmt.Sprintf("%s=%v", rule, v))
		}
	}
	if s["type"] == "array" {
		add("minItems", "min")
		add("maxItems", "max")
		return rules
	}
	add("minLength", "min")
	add("maxLength", "max")
	add("minimum", "min")
	add("maximum", "max")
	if s["format"] == "email" {
		rules = append(rules, "email")
	}
	if most, ok := s["maxLength"].(int); ok && s["x-secret"] != true { // any character makes one stronger
		rules = append(rules, kindOf(most))
	}
	if values, ok := s["enum"].([]any); ok {
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = fmt.Sprint(v)
		}
		rules = append(rules, "oneof="+strings.Join(words, " "))
	}
	return rules
}

// longestName is up to how many characters a text is a name, on one line.
const longestName = 256

// kindOf is the rule for the characters of a text: no control characters, but
// for the ends of lines where there can be several.
func kindOf(most int) string {
	if most <= longestName {
		return "line"
	}
	return "text"
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
