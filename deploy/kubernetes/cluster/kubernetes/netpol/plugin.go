package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// plugin is netpol as the last CNI plugin of a chain: a pod starts when the rules for its address are there, and its first packet is not lost. The address goes to the one that writes the rules
// through a folder: a file with the pod's UID as its name.
func plugin() {
	var config struct {
		Addresses  string
		PrevResult json.RawMessage
	}
	if os.Getenv("CNI_COMMAND") == "VERSION" {
		fmt.Println(`{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}`)
		return
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.Unmarshal(text, &config); err != nil {
		log.Fatal(err)
	}
	uid := regexp.MustCompile(`K8S_POD_UID=([0-9a-f-]+)`).FindStringSubmatch(os.Getenv("CNI_ARGS"))
	if uid == nil {
		log.Fatal("no UID of the pod in CNI_ARGS")
	}
	file := filepath.Join(config.Addresses, uid[1])
	switch os.Getenv("CNI_COMMAND") {
	case "DEL":
		os.Remove(file)
	case "ADD":
		var result struct{ IPs []struct{ Address string } }
		if err := json.Unmarshal(config.PrevResult, &result); err != nil || len(result.IPs) != 1 {
			log.Fatalf("one address is expected: %v: %s", err, config.PrevResult)
		}
		address, _, _ := strings.Cut(result.IPs[0].Address, "/")
		if err := os.WriteFile(file+".new", []byte(address), 0o644); err != nil {
			log.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			log.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			known, _ := os.ReadFile(filepath.Join(config.Addresses, "known"))
			if strings.Contains(string(known), " "+address+" ") {
				break
			}
			if time.Now().After(end) {
				log.Fatalf("no rules for %s", address)
			}
		}
		os.Stdout.Write(config.PrevResult)
	}
}

// given: the address that the plugin was given for this pod, before the API server knows it.
func given(folder, uid string) string {
	address, err := os.ReadFile(filepath.Join(folder, uid))
	if err != nil {
		return ""
	}
	return string(address)
}

func say(folder string, known []string) error {
	file := filepath.Join(folder, "known")
	if err := os.WriteFile(file+".new", []byte(" "+strings.Join(known, " ")+" "), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
