package registry

// EndpointHealth says of an endpoint that messages are pushed to that it fails. One that
// does not has none. Account and Region are "waystation", Name is the number of the
// endpoint's queue in hexadecimal digits.
type EndpointHealth struct {
	Meta

	Endpoint string `cbor:"10,keyasint"`           // its name
	Since    int64  `cbor:"11,keyasint"`           // nothing was delivered; Unix milliseconds
	Disabled int64  `cbor:"12,keyasint,omitempty"` // when it was; Unix milliseconds, 0: it is not
	// Class and Status of the failure by which this was noted.
	Class  string `cbor:"13,keyasint,omitempty"`
	Status int    `cbor:"14,keyasint,omitempty"`
}

// maxEndpointHealth bounds them: what fails beyond that is not noted, and not disabled.
const maxEndpointHealth = 100_000

var endpointHealth = Kind[EndpointHealth]{
	Tag: tagEndpointHealth, Name: "endpoint's health", Version: 1, Limit: maxEndpointHealth,
	Meta:  func(h *EndpointHealth) *Meta { return &h.Meta },
	Clone: func(h *EndpointHealth) *EndpointHealth { c := *h; return &c },
}

// EndpointHealth is what is noted of endpoints that fail.
func (r *Registry) EndpointHealth() *Table[EndpointHealth] { return r.endpointHealth }
