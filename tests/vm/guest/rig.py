import subprocess,time
print("rig up", open('/proc/uptime').read(), flush=True)
print(subprocess.run("systemd-analyze; systemd-analyze blame | head -20; ls /sys/class/virtio-ports; dmesg | tail -5; ls /dev", shell=True, capture_output=True,text=True).stdout, flush=True)
open('/proc/sysrq-trigger','w').write('o')
