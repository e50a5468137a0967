package swarm_test

import (
	"fmt"
	"time"

	"github.com/ringcast/ringcast/multicast/swarm"
)

// A stream is published into a group of ten and played by all of them.
func Example() {
	sc, err := swarm.Named("steady", 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	sc.Churn = swarm.Churn{}                                          // nobody leaves
	sc.Rho, sc.Upload = 0, []swarm.UploadClass{{Share: 1, Upload: 2}} // everybody can send the stream twice
	sc.Settle, sc.Duration = 5*time.Second, 5*time.Second
	report, err := swarm.Run(sc, swarm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("delivered %.2f, broken promises %d\n", report.Metrics["delivery"], len(report.Broken))
	// Output: delivered 1.00, broken promises 0
}
