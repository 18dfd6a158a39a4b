module cufflink.test/guest

go 1.21
