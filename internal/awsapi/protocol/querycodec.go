package protocol

import (
	"net/http"
	"reflect"
	"strings"
)

// queryCodec is AWS Query: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html.
// It takes what no other codec claims.
type queryCodec struct{}

func (queryCodec) protocol() Protocol { return Query }

func (queryCodec) claims(*table, *http.Request) bool { return true }

const (
	formType = "application/x-www-form-urlencoded" // of requests
	xmlType  = "text/xml"                          // of answers
)

// route can tell only of requests by GET: those by POST name their action in the
// body.
func (c queryCodec) route(t *table, req *request) (*service, *operation, *Error) {
	r := req.http
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return nil, nil, methodNotAllowed(r.Method, "GET, POST")
	}
	if media := mediaType(r.Header); media != "" && media != formType && r.ContentLength != 0 {
		return nil, nil, wrongMedia("Send " + formType + ", or application/x-amz-json with an X-Amz-Target header.")
	}
	if r.ContentLength != 0 {
		return nil, nil, nil
	}
	return c.routeBody(t, req)
}

func (queryCodec) routeBody(t *table, req *request) (*service, *operation, *Error) {
	var err *Error
	if req.form, err = parseForm(req.http.URL.RawQuery, req.body, &req.meter); err != nil {
		return nil, nil, err
	}
	action := req.form.get("Action")
	s, op := t.byAction(req, action)
	switch {
	case action == "" && req.http.URL.Path != "/" && req.http.URL.Path != "":
		return s, nil, &Error{Code: "UnknownOperationException", Status: 404, Message: "The request must contain the parameter Action."}
	case action == "":
		return s, nil, &Error{Code: "MissingAction", Message: "The request must contain the parameter Action."}
	case op == nil || op.rootOnly && req.http.URL.Path != "/" && req.http.URL.Path != "":
		return s, nil, &Error{Code: "InvalidAction",
			Message: "The action " + clip([]byte(action)) + " is not valid for this endpoint."}
	}
	return s, op, nil
}

// byAction finds the API by the service that the signature names, else by the
// operation, of several APIs that have it the one of the right version.
func (t *table) byAction(req *request, action string) (*service, *operation) {
	if s := t.byName[scopeService(req.http)]; s != nil && s.Namespace != "" {
		return s, s.operations[action]
	}
	var found *operation
	version := req.form.get("Version")
	for _, s := range t.services {
		if s.Namespace == "" {
			continue
		}
		if op := s.operations[action]; op != nil && (found == nil || s.Version == version && found.service.Version != version) {
			found = op
		}
	}
	if found != nil {
		return found.service, found
	}
	for _, s := range t.services {
		if s.Namespace != "" && s.Version == version {
			return s, nil
		}
	}
	return nil, nil
}

// scopeService reads the service from the credential scope, "" if there is none.
// It only chooses the API; access checks it.
func scopeService(r *http.Request) string {
	var credential string
	if h := r.Header["Authorization"]; len(h) > 0 {
		_, rest, _ := strings.Cut(h[0], "Credential=")
		credential, _, _ = strings.Cut(rest, ",")
	} else {
		for rest := r.URL.RawQuery; rest != "" && credential == ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, "&")
			if v, ok := strings.CutPrefix(pair, "X-Amz-Credential="); ok {
				credential, _ = formText([]byte(v))
			}
		}
	}
	for range 3 {
		_, credential, _ = strings.Cut(credential, "/")
	}
	service, _, _ := strings.Cut(credential, "/")
	return service
}

func (queryCodec) decode(req *request, op *operation, in reflect.Value) *Error {
	if err := decodeForm(req.form, 0, 0, op.input, in); err != nil {
		return err
	}
	if op.pathMember >= 0 && req.call.Path != "/" && req.call.Path != "" {
		f := in.Field(op.pathMember)
		if f.Kind() == reflect.Pointer && f.IsNil() {
			f.Set(reflect.New(f.Type().Elem()))
		}
		if f = reflect.Indirect(f); f.Len() == 0 {
			f.SetString(req.call.Scheme + "://" + req.call.Host + req.call.Path)
		}
	}
	return nil
}

const xmlHead = `<?xml version="1.0"?>`

func (queryCodec) encode(a *answer, req *request, op *operation, out reflect.Value) {
	if wantsJSON(req.http) {
		encodeQueryJSON(a, req, op, out)
		return
	}
	a.contentType = xmlType
	b := append(a.body, xmlHead...)
	b = append(b, '<')
	b = append(b, op.Name...)
	b = append(b, `Response xmlns="`...)
	b = appendXMLText(b, op.service.Namespace)
	b = append(b, `">`...)
	if op.hasResult {
		b = append(b, '<')
		b = append(b, op.Name...)
		b = append(b, "Result>"...)
		if out.IsValid() {
			b = appendXML(b, op.output, out)
		}
		b = append(b, "</"...)
		b = append(b, op.Name...)
		b = append(b, "Result>"...)
	}
	b = append(b, "<ResponseMetadata><RequestId>"...)
	b = appendXMLText(b, req.call.RequestID)
	b = append(b, "</RequestId></ResponseMetadata></"...)
	b = append(b, op.Name...)
	a.body = append(b, "Response>"...)
}

func (queryCodec) encodeError(a *answer, req *request, s *service, e *Error) {
	a.contentType = xmlType
	if e.Code == "UnknownOperationException" { // as AWS has it, whatever a client accepts
		a.body = append(a.body, "<UnknownOperationException/>\n"...)
		return
	}
	if wantsJSON(req.http) {
		encodeQueryJSONError(a, req, e)
		return
	}
	namespace := "http://webservices.amazon.com/AWSFault/2005-15-09"
	if s != nil && s.Namespace != "" {
		namespace = s.Namespace
	}
	fault := "Sender"
	if e.Receiver {
		fault = "Receiver"
	}
	b := append(a.body, xmlHead...)
	b = append(b, `<ErrorResponse xmlns="`...)
	b = appendXMLText(b, namespace)
	b = append(b, `"><Error><Type>`...)
	b = append(b, fault...)
	b = append(b, "</Type><Code>"...)
	b = appendXMLText(b, e.queryCode())
	b = append(b, "</Code>"...)
	p, detail := e.detail()
	if e.hasMessage(p) {
		b = append(b, "<Message>"...)
		b = appendXMLText(b, e.Message)
		b = append(b, "</Message>"...)
	}
	if p != nil {
		b = appendXML(b, p, detail)
	}
	b = append(b, "<Detail/></Error><RequestId>"...)
	b = appendXMLText(b, req.call.RequestID)
	a.body = append(b, "</RequestId></ErrorResponse>"...)
}
