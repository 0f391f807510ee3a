module slipway.test/web

go 1.25.0
