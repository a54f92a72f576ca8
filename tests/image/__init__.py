"""Inside the image, without a cluster: `make image-test` builds it first. They need root."""
