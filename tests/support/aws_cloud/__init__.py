"""AWS for tests: moto's server behind a layer that adds what moto lacks, with every request held against botocore."""
