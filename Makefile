# The doors: each sets up all it needs on a fresh Debian or Raspberry Pi OS machine.
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# Four workers on two cores: many tests wait. A module's tests stay together, and modules begin in the order of conftest.
WORKERS ?= 4
SIDE_BY_SIDE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-brokers fuzz check bench chaos drain standby fleet powercuts forgeries hostile lives kiosk-day soak outages races screens strangers taps test-pcsc test-postgres test-vm test-deb deb install install-kiosk sbom audit clean

demo: $(VENV)/.runtime
	$(BIN)/store-gateway demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

# `make test` draws the same examples and faults each time; this draws others, after 24,000 requests to every route as each role, and
# a million inputs for each parser. A failure shows its example or its seed.
fuzz: $(VENV)/.dev
	FUZZ_CASES=24000 PARSED=1000000 TEST_DRAW=fresh $(BIN)/python -m pytest tests/test_fuzz_api.py tests/test_fuzz_parsers.py -n 2 $(ARGS)
	TEST_DRAW=fresh $(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

bench: $(VENV)/.peers
	$(BIN)/store-gateway bench $(ARGS)

# What a gateway runs, as CycloneDX 1.6 (CONTRIBUTING.md, docs/security.md).
sbom: $(VENV)/.dev
	$(BIN)/python -m tools.sbom build/sbom.cdx.json

# The pinned packages against an advisory source. Where none is reachable it says so and ends with status 3.
audit: $(VENV)/.dev
	$(BIN)/python -m tools.audit $(ARGS)

# The long form of the kill tests; a short form is in `make test`.
chaos: $(VENV)/.dev
	mkdir -p build
	TEST_DRAW=fresh CHAOS_TALLY=build/chaos.txt CHAOS_KILLS=200 CHAOS_BROKER_KILLS=20 CHAOS_ANY_KILLS=900 ROOT_KILLS=100 SEAL_KILLS=100 $(BIN)/python -m pytest \
		tests/test_chaos.py tests/test_rekey.py tests/test_resealing.py -s --timeout 14400 $(ARGS)

# Seven days of 20,000 events that waited go up; a short form is in `make test`.
drain: $(VENV)/.dev
	DRAIN_EVENTS=140000 $(BIN)/python -m pytest tests/test_drain.py -s --timeout 3600 $(ARGS)

# Two boxes of one shop: whoever serves is killed, and as root in network namespaces also cut off; docs/standby.md.
standby: $(VENV)/.dev
	STANDBY_DRILL=1 $(BIN)/python -m pytest tests/test_standby_drill.py -s -rs $(ARGS)

# 1,000 stores on one Mosquitto and two processes of headquarters on PostgreSQL, without a kill and with each of them killed; a short
# form is in `make test`. docs/scale.md has what came out.
fleet: $(VENV)/.dev
	FLEET_STORES=1000 FLEET_MINUTES=3 $(BIN)/python -m pytest tests/test_fleet_shared.py -s $(ARGS)

# 200 power cuts while the store writes, as root; a short form is in `make test`.
powercuts: $(VENV)/.dev
	TEST_DRAW=fresh POWER_CUTS=200 $(BIN)/python -m pytest tests/test_power_cut.py -s --timeout 7200 -rs $(ARGS)

# 10,000 steps in the lives of profiles, then the same for clocks and for erasures; short forms are in `make test`.
lives: $(VENV)/.dev
	TEST_DRAW=fresh LIFE_STEPS=10000 LIFE_EXAMPLES=500 ERASURE_STEPS=400 $(BIN)/python -m pytest \
		tests/test_profile_life.py tests/test_life_clocks.py tests/test_erasure_orders.py -s --timeout 7200 $(ARGS)

# A million hostile payloads for the parsers of both ends of the wire, 20,000 of them for a gateway and as many for headquarters; 5,000
# are in `make test`.
hostile: $(VENV)/.dev
	TEST_DRAW=fresh HOSTILE=1000000 $(BIN)/python -m pytest tests/test_hostile_wire.py -s --timeout 7200 $(ARGS)

# 1,000 races of each kind over real sockets; 50 of them are in `make test`.
races: $(VENV)/.dev
	RACES=1000 $(BIN)/python -m pytest tests/test_races.py -s $(ARGS)

# Every page in every state, size, theme, language and text size, with pictures under build/pages; `make test` looks at
# each once.
screens: $(VENV)/.dev
	PAGES_ALL=1 $(BIN)/python -m pytest tests/test_every_screen.py tests/test_every_tablet.py tests/test_every_page.py --timeout 3600 $(ARGS)

# Five rounds of every outage for a real screen, in real time, then 24 simulated hours in its loop; short forms are in `make test`.
outages: $(VENV)/.dev
	OUTAGE_ROUNDS=5 $(BIN)/python -m pytest tests/test_outages.py -s $(ARGS)

kiosk-day: $(VENV)/.dev
	KIOSK_HOURS=24 $(BIN)/python -m pytest tests/test_kiosk_day.py -s $(ARGS)

# Two hours of ten times a shop's load, alone on the machine; figures and picture are left in build/, docs/soak.md says what
# they mean. Some seconds of it are in `make test`.
soak: $(VENV)/.dev
	SOAK_MINUTES=$${SOAK_MINUTES:-120} $(BIN)/python -m pytest tests/test_soak.py -s $(ARGS)

# A real kernel, a real bluetoothd and a virtual adapter in QEMU; tests/vm/README.md says what it shows and how long it
# takes. Root is needed once, to build the image.
VM_CACHE ?= $(HOME)/.cache/store-gateway-vm
VM_SUITE ?= bookworm
test-vm: test-vm-radio test-vm-life
test-vm-radio: $(VENV)/.dev
	image=$$(tests/vm/build "$(VM_CACHE)" $(VM_SUITE)) && \
		"$(VM_CACHE)/venv/bin/python" tests/vm/run.py "$$image" --python "$(abspath $(BIN))/python" $(ARGS)
test-vm-life: $(VENV)/.dev
	image=$$(tests/vm/build "$(VM_CACHE)" $(VM_SUITE)) && \
		"$(VM_CACHE)/venv/bin/python" tests/vm/life.py "$$image" --venv "$(abspath $(VENV))" $(ARGS)

# 24,000 strangers at 1,000/s, a minute of ordinary traffic, then 300 strangers who tap, and a search of all memory each
# time; short forms are in `make test`.
strangers: $(VENV)/.dev
	BLE_STRANGERS=24000 NFC_STRANGERS=300 $(BIN)/python -m pytest tests/test_ble_strangers.py tests/test_nfc_strangers.py \
		-s $(ARGS)

# The real pcscd with a virtual reader, as root: installs pcscd, its virtual driver and what pyscard is built with.
test-pcsc: $(VENV)/.dev
	@[ "$$(id -u)" = 0 ] || { echo "pcscd makes its socket as root: sudo make test-pcsc"; exit 1; }
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		pcscd vsmartcard-vpcd libpcsclite-dev swig gcc python3-dev
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable ".[pcsc]"
	$(BIN)/python -m pytest tests/test_pcsc.py -rs $(ARGS)

# Headquarters' tests on a private PostgreSQL server (apt install postgresql); `make test` has the most important ones.
test-postgres: $(VENV)/.dev
	HQ_POSTGRES=1 $(BIN)/python -m pytest tests/test_hq_*.py tests/test_chain_coupons.py tests/test_spent.py \
		tests/test_consent_sync.py tests/test_consent_wire.py tests/test_demoshop.py tests/test_whole_catalogue.py \
		tests/test_tillverbs.py tests/test_publishing.py tests/test_stafffile.py -rs $(ARGS)

# What the product needs of a broker, on all that can be had here; Mosquitto and the embedded one are in `make test` too.
# docs/brokers.md has what came out.
test-brokers: $(VENV)/.dev
	.ci/brokers build/brokers
	BROKERS=all AMQTT_PYTHON="$(CURDIR)/build/brokers/amqtt/bin/python" PATH="$$PATH:/usr/sbin" $(BIN)/python -m pytest \
		tests/test_broker_contract.py -rs $(ARGS)

# 10,000 each of forged coupons, of forged tag messages and of false answers of a phone; short forms are in `make test`.
forgeries: $(VENV)/.dev
	TEST_DRAW=fresh $(BIN)/python -m pytest tests/test_forged_coupons.py tests/test_sun.py tests/test_hce.py -s $(ARGS)

# 500 taps with a fault at every frame and as many clean ones, then 50 pairs at two readers; a short form is in `make test`.
taps: $(VENV)/.dev
	TEST_DRAW=fresh TAP_FAULTS=500 TAPS_TOGETHER=50 $(BIN)/python -m pytest tests/test_tap_faults.py -s $(ARGS)

# One file that makes a gateway of a fresh machine, without the internet: sudo apt install ./store-gateway_..._arm64.deb
ARCHITECTURE ?= arm64
deb: $(VENV)/.runtime
	systemd/deb/build "$(VENV)" $(ARCHITECTURE) build/deb

# Installs, looks at, changes and removes it in a Debian of its own, as root; the first time it fetches that Debian.
SUITE ?= bookworm
test-deb: $(VENV)/.dev
	@[ "$$(id -u)" = 0 ] || { echo "a Debian of its own is made as root: sudo make test-deb"; exit 1; }
	DEB_SUITE=$(SUITE) $(BIN)/python -m pytest tests/test_deb.py -s --timeout 1800 -rs $(ARGS)

# As root, from a checkout at /opt/store-gateway: user, unit and an example configuration. Starts nothing.
install:
	@[ "$$(id -u)" = 0 ] || { echo "run this as root: sudo make install"; exit 1; }
	@[ "$(CURDIR)" = /opt/store-gateway ] || { echo "the unit expects the checkout at /opt/store-gateway"; exit 1; }
	$(MAKE) $(VENV)/.runtime
	# The service may not write here: without it every start would compile everything.
	$(BIN)/python -m compileall -q gateway drivers display sync
	install -D -m 644 systemd/store-gateway.sysusers /usr/lib/sysusers.d/store-gateway.conf
	systemd-sysusers
	install -D -m 644 systemd/store-gateway.service /etc/systemd/system/store-gateway.service
	install -D -m 644 -t /etc/systemd/system/bluetooth.service.d systemd/bluetooth.service.d/store-gateway.conf
	install -D -m 644 -t /etc/systemd/journald.conf.d systemd/journald.conf.d/store-gateway.conf
	[ -e /etc/store-gateway/gateway.toml ] || \
		install -D -m 640 -g store-gateway systemd/gateway.toml.example /etc/store-gateway/gateway.toml
	ln -sf $(CURDIR)/$(BIN)/store-gateway /usr/local/bin/store-gateway
	-systemctl daemon-reload
	@echo "BlueZ and the journal keep their files in memory once they are started again:"
	@echo "sudo systemctl restart bluetooth systemd-journald"
	@echo "Now: systemctl enable --now store-gateway; http://localhost:8080/ shows how the box becomes a shop's."

# As root, from a checkout at /opt/store-gateway: user, unit and an example for this machine's monitor. Starts nothing.
install-kiosk:
	@[ "$$(id -u)" = 0 ] || { echo "run this as root: sudo make install-kiosk"; exit 1; }
	@[ "$(CURDIR)" = /opt/store-gateway ] || { echo "the unit expects the checkout at /opt/store-gateway"; exit 1; }
	install -D -m 644 systemd/store-gateway-kiosk.sysusers /usr/lib/sysusers.d/store-gateway-kiosk.conf
	systemd-sysusers
	install -D -m 644 systemd/store-gateway-kiosk.service /etc/systemd/system/store-gateway-kiosk.service
	[ -e /etc/store-gateway/kiosk.env ] || install -D -m 644 systemd/kiosk.env.example /etc/store-gateway/kiosk.env
	-systemctl daemon-reload
	@echo "Now edit /etc/store-gateway/kiosk.env, then: systemctl enable --now store-gateway-kiosk"

$(VENV)/.runtime: pyproject.toml constraints.txt .ci/setup
	.ci/setup runtime $(VENV)

$(VENV)/.dev: pyproject.toml constraints.txt .ci/setup
	.ci/setup dev $(VENV)

# What `bench ingest` measures beside ours; without them it measures ours alone.
$(VENV)/.peers: $(VENV)/.runtime
	.ci/setup peers $(VENV) || echo "No peers for this Python: ours is measured alone."
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
