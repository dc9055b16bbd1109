package qliro

// Authorization is authorization, for the tests.
var Authorization = authorization
