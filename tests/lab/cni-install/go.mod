module slipway.test/cni-install

go 1.25.0
