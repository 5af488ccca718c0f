// Dns is the name service of a test cluster: the addresses of Services, under cluster.local, over UDP and TCP. Every other name does not exist.
//
//	dns --listen :53
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"io"
	"log"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

var names atomic.Pointer[map[string]netip.Addr]

func main() {
	listen := flag.String("listen", ":53", "")
	flag.Parse()
	config, err := rest.InClusterConfig()
	if err != nil {
		log.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(config)
	for read(client) != nil {
		time.Sleep(time.Second)
	}
	packets, err := net.ListenPacket("udp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	connections, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	go overUDP(packets)
	go overTCP(connections)
	for {
		time.Sleep(time.Second)
		read(client)
	}
}

// read takes the Services of this moment; where that fails the last ones stand.
func read(client *kubernetes.Clientset) error {
	services, err := client.CoreV1().Services("").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		log.Print(err)
		return err
	}
	read := map[string]netip.Addr{}
	for _, service := range services.Items {
		if address, err := netip.ParseAddr(service.Spec.ClusterIP); err == nil && address.Is4() {
			read[service.Name+"."+service.Namespace+".svc.cluster.local."] = address
		}
	}
	names.Store(&read)
	return nil
}

func overUDP(packets net.PacketConn) {
	for {
		buffer := make([]byte, 4096)
		n, from, err := packets.ReadFrom(buffer)
		if err != nil {
			log.Fatal(err)
		}
		if answer := respond(buffer[:n]); answer != nil {
			packets.WriteTo(answer, from)
		}
	}
}

func overTCP(connections net.Listener) {
	for {
		connection, err := connections.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer connection.Close()
			connection.SetDeadline(time.Now().Add(10 * time.Second))
			for {
				var length uint16
				if binary.Read(connection, binary.BigEndian, &length) != nil {
					return
				}
				query := make([]byte, length)
				if _, err := io.ReadFull(connection, query); err != nil {
					return
				}
				answer := respond(query)
				if answer == nil {
					return
				}
				connection.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			}
		}()
	}
}

// respond: nil where it is no question.
func respond(query []byte) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil || header.Response {
		return nil
	}
	question, err := parser.Question()
	if err != nil {
		return nil
	}
	address, found := (*names.Load())[strings.ToLower(question.Name.String())]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{question},
	}
	if !found {
		answer.Header.RCode = dnsmessage.RCodeNameError
	} else if question.Type == dnsmessage.TypeA && question.Class == dnsmessage.ClassINET {
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class, TTL: 5},
			Body:   &dnsmessage.AResource{A: address.As4()},
		}}
	}
	packed, err := answer.Pack()
	if err != nil {
		return nil
	}
	return packed
}
