module slipway.test/kubeadm-witness

go 1.25.0
