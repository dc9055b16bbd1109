module github.com/kvitt/kvitt

go 1.26.0
