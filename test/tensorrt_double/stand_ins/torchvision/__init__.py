"""What torch2trt v0.4.0 imports and, for conversion, never uses."""
